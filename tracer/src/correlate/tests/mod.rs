//! Tables of cases for each part of the correlator.

mod delivery;
mod ownership;
mod pairing;
mod script;
