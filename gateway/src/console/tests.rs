//! The routers on a real journal.
