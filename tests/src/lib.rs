//! Harness for tests against real daemons.
