//! Which function of the daemon made a value that no parameter of the request can have set.

use std::collections::BTreeMap;

use super::api::is_of_moby;
use super::routes::names;
use crate::addr::ImageAddr;
use crate::correlate::{Call, Trace};
use crate::moby::routes::Called;
use crate::plan::{Plan, Symbol};

/// Traced calls within each other; a damaged recording may claim any number. Beyond, the maker is
/// unknown.
const MOST_CALLERS: usize = 64;

/// The nearest caller of `call` that does not just hand its options on: by the stack as far as its
/// addresses have names, else among the traced calls around it.
pub fn of(
    plan: &Plan,
    trace: &Trace,
    symbols: &BTreeMap<ImageAddr, Vec<String>>,
    call: &Call,
    called: &Called,
) -> Option<String> {
    let hands_on = |symbol: &str| called.functions.iter().any(|f| names(f, symbol));
    let on_stack = call
        .stack
        .iter()
        .map_while(|address| symbols.get(address).filter(|names| !names.is_empty()))
        .flatten()
        .filter_map(|name| Symbol::parse(name))
        .map(|symbol| symbol.source())
        .find(|source| is_of_moby(source.name) && !hands_on(source.name));
    if let Some(source) = on_stack {
        return Some(source.function.to_owned());
    }
    let above = |call: &Call| {
        call.parent
            .or(call.born_in)
            .and_then(|at| trace.calls.get(at))
    };
    std::iter::successors(above(call), |c| above(c))
        .take(MOST_CALLERS)
        .filter_map(|c| plan.functions.get(c.func as usize))
        .find(|f| !hands_on(&f.name))
        .map(|f| f.short.clone())
}
