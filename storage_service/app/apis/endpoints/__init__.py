"""Routes of the JSON door, a file per matter. `cold` and `dispatch` collect them; each declares its action."""
