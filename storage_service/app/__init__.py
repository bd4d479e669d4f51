"""The service. `main` wires the rooms: doors (apis) over edge and backends over core; jobs beside the doors.

The seed's own start command, `uvicorn app.main:app` from inside `storage_service/`, finds this package as `app`: the
checkout is put on the path so that it is the same package either way.
"""

import sys
from pathlib import Path

if __name__ == "app":
    sys.path.append(str(Path(__file__).resolve().parents[2]))
