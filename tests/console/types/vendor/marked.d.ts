export class Lexer { static lex(text: string): any[] }
