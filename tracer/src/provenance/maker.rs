//! Which function of the daemon made a value that no parameter of the request can have set.

use std::collections::BTreeMap;

use super::is_of_moby;
use super::routes::{Called, names};
use crate::correlate::{Call, Trace};
use crate::plan::Plan;

/// Traced calls within each other; a damaged recording may claim any number.
const MOST_CALLERS: usize = 64;

/// The nearest caller of `call` that does not just hand its options on: by the stack as far as its addresses have names, else among the
/// traced calls around it.
pub fn of(
    plan: &Plan,
    trace: &Trace,
    symbols: &BTreeMap<u64, Vec<String>>,
    call: &Call,
    called: &Called,
) -> Option<String> {
    let hands_on = |symbol: &str| called.functions.iter().any(|f| names(f, symbol));
    let on_stack = call
        .stack
        .iter()
        .map_while(|address| symbols.get(address).filter(|names| !names.is_empty()))
        .flatten()
        .map(|symbol| source_function(symbol))
        .find(|symbol| is_of_moby(symbol) && !hands_on(symbol));
    if let Some(symbol) = on_stack {
        return Some(short(symbol).to_owned());
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

/// The function in whose text a closure or wrapper stands.
fn source_function(symbol: &str) -> &str {
    let mut rest = symbol.strip_suffix("-fm").unwrap_or(symbol);
    while let Some((before, last)) = rest.rsplit_once('.') {
        let made = ["func", "gowrap", "deferwrap", ""].iter().any(|prefix| {
            last.strip_prefix(prefix).is_some_and(|number| {
                // -range1: the body of a loop over a function
                let number = number.split('-').next().unwrap_or(number);
                !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
            })
        });
        if !made {
            break;
        }
        rest = before;
    }
    rest
}

fn short(symbol: &str) -> &str {
    symbol.rsplit_once('.').map_or(symbol, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closures_count_as_the_function_around_them() {
        let check = |symbol: &str, expected: &str| {
            let symbol = format!("github.com/docker/docker/daemon.(*Daemon).{symbol}");
            assert_eq!(short(source_function(&symbol)), expected, "{symbol}");
        };
        check("SystemDiskUsage", "SystemDiskUsage");
        check("containerDiskUsage.func1", "containerDiskUsage");
        check("containerDiskUsage.func1.2", "containerDiskUsage");
        check("SystemDiskUsage.gowrap3", "SystemDiskUsage");
        check(
            "SystemDiskUsage.(*Daemon).containerDiskUsage.func2",
            "containerDiskUsage",
        );
        check("Containers-fm", "Containers");
        check("SystemDiskUsage.func1-range2", "SystemDiskUsage");
        check("func1x", "func1x");
    }
}
