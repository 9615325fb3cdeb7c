//! Configuration: what the operator typed (`raw`) becomes what it means (`resolved`), with every mistake reported at once.
