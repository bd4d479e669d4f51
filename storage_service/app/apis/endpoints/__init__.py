"""Routes of the JSON door, a file per matter. A route declares its action with `allow`; `cold` and `dispatch` collect them."""
