//! Root and stock daemons: each test starts its own, and keeps to it.

mod api_errors;
mod claims;
mod client;
mod compare;
mod failures;
mod filters;
mod generations;
mod hostile_text;
mod interrupts;
mod ledger;
mod life;
mod list_options;
mod ownership;
mod profiles;
mod prologues;
mod provenance;
mod readme;
mod recording;
mod secrets;
mod slow_reader;
mod streams;
mod thread_pointer;
