/* s3load: a single-threaded epoll HTTP/1.1 load generator for storage servers.
 *
 * Bounded in count (-n) and time (-d).  Plays back a file of prepared requests,
 * so that no signing happens while the clock runs.  Only 127.0.0.1 is a target.
 *
 * Request file (little endian): records of  u32 head_len, u64 body_len, u8 class, head bytes.
 * Bodies are generated: a shared random 1 MiB buffer, with a unique 16-byte stamp at the
 * start of every 1 MiB, so that no server can deduplicate or compress them.
 *
 *   s3load -p PORT -c CONNS -n MAXREQ -d SECONDS [-w] [-k] [-b BASE] [-t] FILE
 *     -w  wrap around at the end of the file (default: stop there)
 *     -k  each run of '@' in a request's first line becomes the last digits of the number of the
 *         request, counted from BASE: distinct keys without a file of millions; implies -w
 *     -t  discard response bodies with MSG_TRUNC (no copy to user space)
 * Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define STAMP 16
#define RBUF (256 * 1024)
#define NCLASS 8
#define TEMPLATE 4096
#define MAX_SECONDS 300

typedef struct { const char *head; uint32_t hlen; uint64_t blen; uint8_t cls; uint8_t is_head; } req_t;
enum { S_IDLE, S_SEND, S_HEAD, S_BODY, S_CHUNK };
typedef struct {
    int fd, st, want_out, closing;
    const req_t *r;
    uint64_t t0, tfb, sent, body_left, id;
    int status, chunk_st; uint64_t chunk_left;
    char hb[16384]; uint32_t hn;
    const char *head; char tb[TEMPLATE]; /* head: of the request, or tb where it is filled in */
} conn_t;

static char *rnd, *rb;
static req_t *reqs; static uint64_t nreq;
static uint64_t next_i, started, done, maxreq, okc, errs, reconn, bytes_in, bytes_out, sockerr;
static int wrapf, truncf, keyf, ep, port; static uint64_t deadline, base;
static uint32_t *lat; static uint32_t *ttfb; static uint8_t *lcls; static uint64_t nlat;
static uint64_t stat_count[600], per_second[MAX_SECONDS + 1]; static char firsterr[400]; static uint64_t t_last, T0;

static uint64_t now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }

static int dial(conn_t *c) {
    struct sockaddr_in a = {0}; a.sin_family = AF_INET; a.sin_port = htons(port); a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (void *)&a, sizeof a)) { if (fd >= 0) close(fd); return -1; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    c->fd = fd; c->want_out = 0; c->closing = 0; return 0;
}
static void want(conn_t *c, int out) {
    if (c->want_out == out) return;
    struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e); c->want_out = out;
}
static void drop(conn_t *c) { if (c->fd >= 0) { close(c->fd); c->fd = -1; } }

static int flush_out(conn_t *c) { /* 1 all sent, 0 would block, -1 error */
    const req_t *r = c->r; uint64_t total = r->hlen + r->blen;
    while (c->sent < total) {
        struct iovec v[12]; int n = 0; uint64_t p = c->sent; char st[4][STAMP];
        if (p < r->hlen) { v[n].iov_base = (char *)c->head + p; v[n++].iov_len = r->hlen - p; p = r->hlen; }
        uint64_t b = p - r->hlen; int k = 0;
        while (b < r->blen && k < 2) {
            uint64_t ci = b / CHUNK, off = b % CHUNK, end = (ci + 1) * (uint64_t)CHUNK; if (end > r->blen) end = r->blen;
            uint64_t left = end - b;
            if (off < STAMP) {
                uint64_t s[2] = {c->id * 0x9E3779B97F4A7C15ull + t_last, (c->id << 20) ^ ci ^ ((uint64_t)getpid() << 40)};
                memcpy(st[k], s, STAMP);
                uint64_t m = STAMP - off; if (m > left) m = left;
                v[n].iov_base = st[k] + off; v[n++].iov_len = m; left -= m; off += m;
            }
            if (left) { v[n].iov_base = rnd + off; v[n++].iov_len = left; }
            b = end; k++;
        }
        ssize_t w = writev(c->fd, v, n);
        if (w < 0) { if (errno == EAGAIN) return 0; return -1; }
        c->sent += w; bytes_out += w;
    }
    return 1;
}
static void fill_in(conn_t *c) { /* the request's number in place of each run of '@' in the first line */
    memcpy(c->tb, c->r->head, c->r->hlen); c->head = c->tb;
    for (char *p = c->tb, *end = c->tb + c->r->hlen; p < end && *p != '\r'; p++) {
        if (*p != '@') continue;
        char *q = p; while (q < end && *q == '@') q++;
        uint64_t number = base + c->id;
        for (char *d = q - 1; d >= p; d--, number /= 10) *d = '0' + number % 10;
        p = q - 1;
    }
}
static int begin(conn_t *c) { /* 0 none left */
    uint64_t t = now_ns();
    if (started >= maxreq || t >= deadline) return 0;
    if (next_i >= nreq) { if (!wrapf) return 0; next_i = 0; }
    if (c->fd < 0 && dial(c)) { sockerr++; return 0; }
    c->r = &reqs[next_i++]; c->id = started++; c->sent = 0; c->hn = 0; c->status = 0; c->t0 = now_ns(); c->tfb = 0; c->st = S_SEND;
    c->head = c->r->head; if (keyf) fill_in(c);
    return 1;
}
static void finish(conn_t *c) {
    uint64_t t = now_ns(); done++; t_last = t;
    if (c->status < 600) stat_count[c->status]++;
    if (c->status >= 200 && c->status < 300) { uint64_t sec = (t - T0) / 1000000000ull; okc++; per_second[sec < MAX_SECONDS ? sec : MAX_SECONDS]++; } else { errs++; if (!firsterr[0]) { snprintf(firsterr, sizeof firsterr, "%.*s", (int)(c->hn < 380 ? c->hn : 380), c->hb); } }
    lat[nlat] = (t - c->t0) / 1000; ttfb[nlat] = (c->tfb - c->t0) / 1000; lcls[nlat++] = c->r->cls;
    if (c->closing) { drop(c); reconn++; }
    c->st = S_IDLE;
}
static int chunked_feed(conn_t *c, const char *p, int n) { /* 1 when message complete */
    for (int i = 0; i < n;) {
        switch (c->chunk_st) {
        case 0: { char ch = p[i++]; if (ch == '\n') { c->chunk_st = c->chunk_left ? 1 : 3; } else { int d = ch >= '0' && ch <= '9' ? ch - '0' : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10 : -1; if (d >= 0) c->chunk_left = c->chunk_left * 16 + d; } break; }
        case 1: { uint64_t m = n - i; if (m > c->chunk_left) m = c->chunk_left; i += m; c->chunk_left -= m; if (!c->chunk_left) c->chunk_st = 2; break; }
        case 2: if (p[i++] == '\n') { c->chunk_st = 0; c->chunk_left = 0; } break;
        case 3: if (p[i] == '\n') return 1; if (p[i] == '\r') { i++; break; } c->chunk_st = 4; break;
        case 4: if (p[i++] == '\n') c->chunk_st = 3; break;
        }
    }
    return 0;
}
static int on_read(conn_t *c) { /* -1 dead, 1 finished a response, 0 more */
    for (;;) {
        if (c->st == S_SEND || c->st == S_HEAD) {
            ssize_t n = recv(c->fd, c->hb + c->hn, sizeof c->hb - 1 - c->hn, 0);
            if (n == 0) return -1;
            if (n < 0) return errno == EAGAIN ? 0 : -1;
            if (!c->tfb) c->tfb = now_ns();
            c->hn += n; bytes_in += n; c->hb[c->hn] = 0;
            char *e = memmem(c->hb, c->hn, "\r\n\r\n", 4);
            if (!e) { if (c->hn >= sizeof c->hb - 1) return -1; continue; }
            c->status = atoi(c->hb + 9);
            uint32_t hl = e + 4 - c->hb, extra = c->hn - hl;
            if (c->status == 100) { memmove(c->hb, e + 4, extra); c->hn = extra; continue; }
            int64_t cl = -1; int ch = 0; char sv = *e; *e = 0;
            for (char *l = strstr(c->hb, "\r\n"); l; l = strstr(l, "\r\n")) {
                l += 2;
                if (!strncasecmp(l, "content-length:", 15)) cl = strtoll(l + 15, 0, 10);
                else if (!strncasecmp(l, "transfer-encoding:", 18) && strcasestr(l, "chunked")) { char *q = strstr(l, "\r\n"); char *z = strcasestr(l, "chunked"); if (!q || z < q) ch = 1; }
                else if (!strncasecmp(l, "connection: close", 17)) c->closing = 1;
            }
            *e = sv;
            if (c->r->is_head || c->status == 204 || c->status == 304) { finish(c); return 1; }
            if (ch) { c->chunk_st = 0; c->chunk_left = 0; c->st = S_CHUNK; if (extra && chunked_feed(c, c->hb + hl, extra)) { finish(c); return 1; } continue; }
            if (cl < 0) cl = 0;
            if ((uint64_t)cl <= extra) { finish(c); return 1; }
            c->body_left = cl - extra; c->st = S_BODY; continue;
        } else if (c->st == S_BODY) {
            uint64_t m = c->body_left < RBUF ? c->body_left : RBUF; int fl = 0;
            if (truncf && c->body_left > 65536) { m = c->body_left < (8u << 20) ? c->body_left : (8u << 20); fl = MSG_TRUNC; }
            ssize_t n = recv(c->fd, rb, m, fl);
            if (n == 0) return -1;
            if (n < 0) return errno == EAGAIN ? 0 : -1;
            bytes_in += n; c->body_left -= n;
            if (!c->body_left) { finish(c); return 1; }
        } else if (c->st == S_CHUNK) {
            ssize_t n = recv(c->fd, rb, RBUF, 0);
            if (n == 0) return -1;
            if (n < 0) return errno == EAGAIN ? 0 : -1;
            bytes_in += n; if (chunked_feed(c, rb, n)) { finish(c); return 1; }
        } else { char x[64]; ssize_t n = recv(c->fd, x, sizeof x, 0); if (n < 0 && errno == EAGAIN) return 0; return -1; }
    }
}
static void pump(conn_t *c) { /* start requests until one is in flight */
    for (int tries = 0; tries < 4; tries++) {
        if (c->st == S_IDLE && !begin(c)) { drop(c); return; }
        int f = flush_out(c);
        if (f < 0) { /* peer may have answered early: read once */ if (on_read(c) == 1) continue; errs++; sockerr++; if (!firsterr[0]) snprintf(firsterr, sizeof firsterr, "socket error on send"); drop(c); c->st = S_IDLE; continue; }
        want(c, f == 0); return;
    }
    drop(c); c->st = S_IDLE;
}
static int cmpu(const void *a, const void *b) { uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b; return x < y ? -1 : x > y; }
static void pct(FILE *o, uint32_t *v, uint64_t n) {
    if (!n) { fprintf(o, "{}"); return; }
    qsort(v, n, 4, cmpu); double s = 0; for (uint64_t i = 0; i < n; i++) s += v[i];
    fprintf(o, "{\"n\":%lu,\"mean_us\":%.1f,\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u}", n, s / n, v[n / 2], v[n * 90 / 100], v[n * 99 / 100], v[n * 999 / 1000], v[n - 1]);
}
int main(int argc, char **argv) {
    int o, nc = 32; double dur = 5; maxreq = 1u << 21; port = 9000;
    while ((o = getopt(argc, argv, "p:c:n:d:b:wkt")) != -1) switch (o) {
        case 'p': port = atoi(optarg); break; case 'c': nc = atoi(optarg); break; case 'n': maxreq = strtoull(optarg, 0, 10); break;
        case 'd': dur = atof(optarg); break; case 'w': wrapf = 1; break; case 't': truncf = 1; break;
        case 'k': keyf = wrapf = 1; break; case 'b': base = strtoull(optarg, 0, 10); break; default: return 2; }
    if (optind >= argc) { fprintf(stderr, "usage: s3load -p PORT -c CONNS -n MAXREQ -d SECONDS [-w] [-k] [-b BASE] [-t] FILE\n"); return 2; }
    if (maxreq > (1u << 22)) maxreq = 1u << 22;
    if (dur > MAX_SECONDS) dur = MAX_SECONDS;
    int fd = open(argv[optind], O_RDONLY); struct stat sb; if (fd < 0 || fstat(fd, &sb) || !sb.st_size) { perror("request file"); return 2; }
    char *f = mmap(0, sb.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    uint64_t cap = 1024; reqs = malloc(cap * sizeof *reqs);
    for (char *p = f; p < f + sb.st_size;) {
        if (nreq == cap) reqs = realloc(reqs, (cap *= 2) * sizeof *reqs);
        req_t *r = &reqs[nreq++]; memcpy(&r->hlen, p, 4); memcpy(&r->blen, p + 4, 8); r->cls = (uint8_t)p[12] % NCLASS; r->head = p + 13; r->is_head = !strncmp(r->head, "HEAD ", 5); p += 13 + r->hlen;
        if (keyf && r->hlen > TEMPLATE) { fprintf(stderr, "a head is longer than %d bytes\n", TEMPLATE); return 2; }
    }
    rnd = malloc(CHUNK); rb = malloc(RBUF); uint64_t x = 88172645463325252ull ^ now_ns();
    for (uint32_t i = 0; i < CHUNK / 8; i++) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; ((uint64_t *)rnd)[i] = x; }
    uint64_t lc = wrapf || maxreq < nreq ? maxreq : nreq; lc += nc + 8;
    lat = malloc(lc * 4); ttfb = malloc(lc * 4); lcls = malloc(lc);
    ep = epoll_create1(0); conn_t *cs = calloc(nc, sizeof *cs);
    for (int i = 0; i < nc; i++) { cs[i].fd = -1; if (dial(&cs[i])) { printf("{\"error\":\"connect failed\"}\n"); return 1; } }
    struct rusage u0, u1; getrusage(RUSAGE_SELF, &u0);
    T0 = now_ns(); deadline = T0 + (uint64_t)(dur * 1e9); t_last = T0; uint64_t hard = deadline + 60000000000ull;
    for (int i = 0; i < nc; i++) pump(&cs[i]);
    struct epoll_event ev[256];
    while (done + sockerr < started || (started < maxreq && now_ns() < deadline && (wrapf || next_i < nreq))) {
        int n = epoll_wait(ep, ev, 256, 200);
        if (now_ns() > hard || sockerr > 1000) break;
        for (int i = 0; i < n; i++) {
            conn_t *c = ev[i].data.ptr; if (c->fd < 0) continue;
            if (ev[i].events & EPOLLOUT && c->st == S_SEND) { int q = flush_out(c); if (q == 1) want(c, 0); }
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                int k = on_read(c);
                if (k == 1) pump(c);
                else if (k < 0) { if (c->st != S_IDLE) { errs++; sockerr++; if (!firsterr[0]) snprintf(firsterr, sizeof firsterr, "connection closed mid-request"); } drop(c); reconn++; c->st = S_IDLE; pump(c); }
            }
        }
        if (!n) { int live = 0; for (int i = 0; i < nc; i++) live += cs[i].fd >= 0; if (!live) break; }
    }
    double el = (t_last - T0) / 1e9; getrusage(RUSAGE_SELF, &u1);
    double cpu = (u1.ru_utime.tv_sec - u0.ru_utime.tv_sec) + (u1.ru_stime.tv_sec - u0.ru_stime.tv_sec) + (u1.ru_utime.tv_usec - u0.ru_utime.tv_usec) / 1e6 + (u1.ru_stime.tv_usec - u0.ru_stime.tv_usec) / 1e6;
    printf("{\"done\":%lu,\"ok\":%lu,\"errors\":%lu,\"sock_errors\":%lu,\"reconnects\":%lu,\"elapsed_s\":%.6f,\"rps\":%.2f,\"ok_rps\":%.2f,\"mb_in_s\":%.2f,\"mb_out_s\":%.2f,\"client_cpu_s\":%.3f,\"status\":{", done, okc, errs, sockerr, reconn, el, done / el, okc / el, bytes_in / el / 1e6, bytes_out / el / 1e6, cpu);
    int first = 1; for (int i = 0; i < 600; i++) if (stat_count[i]) { printf("%s\"%d\":%lu", first ? "" : ",", i, stat_count[i]); first = 0; }
    printf("},\"per_second\":["); for (uint64_t i = 0, last = (uint64_t)el; i <= last && i <= MAX_SECONDS; i++) printf("%s%lu", i ? "," : "", per_second[i]);
    printf("],\"first_error\":\""); for (char *p = firsterr; *p; p++) { if (*p == '"' || *p == '\\') printf("\\%c", *p); else if ((unsigned char)*p < 32) printf(" "); else putchar(*p); }
    printf("\",\"classes\":{"); first = 1; uint32_t *tmp = malloc((nlat + 1) * 4);
    for (int k = 0; k < NCLASS; k++) { uint64_t m = 0; for (uint64_t i = 0; i < nlat; i++) if (lcls[i] == k) tmp[m++] = lat[i]; if (m) { printf("%s\"%d\":", first ? "" : ",", k); first = 0; pct(stdout, tmp, m); } }
    printf("},\"ttfb\":"); memcpy(tmp, ttfb, nlat * 4); pct(stdout, tmp, nlat);
    printf(",\"latency\":"); memcpy(tmp, lat, nlat * 4); pct(stdout, tmp, nlat);
    printf("}\n"); return 0;
}
