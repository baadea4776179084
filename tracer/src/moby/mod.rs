//! Everything that is known of docker, as data. A new docker release touches this folder only.
//!
//! The facts stand here; what is made of them stands where it is used, and no module here uses
//! another part of this crate. Go's own functions and types are no facts of docker: they stay with
//! the code that reads them.
//!
//! | what a release changes | where it is entered |
//! |---|---|
//! | import path, API version | [`modules`] |
//! | signature or name of a function, name of a type | `eras.txt`, [`eras`]; [`functions`] |
//! | which functions answer which question | [`profiles`] |
//! | route, parameter, what a handler makes of it | [`routes`], [`endpoints`]; [`left_out`] |
//! | what an option changes, what later code changes | [`effects`] |
//! | text of an error | [`errors`], [`references`] |
//! | what an object is called and known by | [`objects`] |
//! | commands of the `docker` program, names of the daemon's | [`programs`] |

pub mod effects;
pub mod endpoints;
pub mod eras;
pub mod errors;
pub mod functions;
pub mod left_out;
pub mod modules;
pub mod objects;
pub mod profiles;
pub mod programs;
pub mod references;
pub mod routes;
pub mod secrets;
