//! The tests of the whole workspace live under `tests/tests`; this library holds nothing yet.
