//! Requests as trees of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::call::{arguments, results};
use super::line::{Line, Look, prefix};
use super::request::{self, route, route_within};
use super::text::{self, duration, escape};
use super::time::time;
use super::{Closing, Style, View, origin, seam};
use crate::correlate::{Call, CallState, Client, Link, Owner, ProcessName, Request, Trace};
use crate::decode::Sample;
use crate::plan::Plan;
use crate::provenance::Provenance;
use crate::session::{Context, End, Sink};

/// Deepest nesting shown; only a damaged recording has more.
const MOST_LEVELS: usize = 64;
/// How long a request may take before it is shown as open although it reached no traced function,
/// ns.
const OPEN: u64 = 1_000_000_000;

/// Requests as trees, as they come.
pub struct Trees {
    style: Style,
    view: View,
    closing: Closing,
}

impl Trees {
    pub fn new(context: &Context, style: Style, view: View) -> Self {
        Self {
            style,
            view,
            closing: Closing::new(&context.plan),
        }
    }
}

impl Sink for Trees {
    fn begin(&mut self, context: &Context, out: &mut dyn Write) -> io::Result<()> {
        header(context, self.style, &self.view, out)
    }

    fn batch(&mut self, context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        self.closing.add(trace);
        write(context, trace, self.style, &self.view, out)
    }

    fn open(&mut self, context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        open(context, trace, self.style, &self.view, out)
    }

    fn finish(&mut self, context: &Context, end: &End, out: &mut dyn Write) -> io::Result<()> {
        self.closing.tree(context, end, self.style, &self.view, out)
    }
}

/// What is traced.
pub fn header(context: &Context, style: Style, view: &View, out: &mut dyn Write) -> io::Result<()> {
    seam::write(context, style, view, out)?;
    let (d, width) = (&context.daemon, view.width);
    let mut line = Line::default();
    prefix(&mut line, view);
    let version = d
        .version
        .as_deref()
        .map_or_else(String::new, |v| format!(" {}", escape(v)));
    let socket = d
        .socket
        .as_deref()
        .map_or_else(String::new, |s| format!(", on {}", escape(s)));
    line.push(
        Look::Dim,
        format!(
            "{}{version} (pid {}{socket}, {}, build id {}) on Linux {} {}",
            escape(&d.exe),
            d.pid,
            escape(&d.go_version),
            escape(d.build_id.as_deref().unwrap_or("none")),
            escape(&context.host.kernel),
            escape(&context.host.arch)
        ),
    );
    line.put(style, width, "", "  ", out)?;
    for issue in &context.plan.issues {
        let mut line = Line::default();
        prefix(&mut line, view);
        line.push(Look::Warn, format!("note: {}", escape(&issue.text())));
        line.put(style, width, "", "  ", out)?;
    }
    Ok(())
}

/// Writes what a trace holds: requests with their calls, then what no request owns, then what is
/// still open.
pub fn write(
    context: &Context,
    trace: &Trace,
    style: Style,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    Tree::new(context, trace, style, view).write(out)
}

/// One row for each request that is still open, while the session goes on.
fn open(
    context: &Context,
    trace: &Trace,
    style: Style,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tree = Tree::new(context, trace, style, view);
    for (index, request) in trace.requests.iter().enumerate() {
        tree.still_open(request, index, out)?;
    }
    Ok(())
}

/// `docker, pid 4711, uid 1000` and the container it lives in.
pub fn client(client: &Client) -> String {
    let name = request::process(&client.comm);
    let uid = match client.uid {
        // goes without saying
        Some(0) => String::new(),
        None => ", uid not known".to_owned(),
        Some(uid) => format!(", uid {uid}"),
    };
    let container = match &client.container {
        Ok(Some(id)) => format!(
            ", in container {}",
            escape(&id.chars().take(12).collect::<String>())
        ),
        // goes without saying
        Ok(None) => String::new(),
        // so does this of a process that had ended
        Err(_) if client.comm == ProcessName::Ended => String::new(),
        Err(_) => ", container not known".to_owned(),
    };
    format!("{name}, pid {}{uid}{container}", client.pid)
}

struct Tree<'a> {
    context: &'a Context,
    plan: &'a Plan,
    trace: &'a Trace,
    style: Style,
    view: &'a View,
    provenance: Provenance<'a>,
    /// Calls below each call: made by it, or on a goroutine born in it.
    below: BTreeMap<usize, Vec<usize>>,
    /// Topmost calls of each request.
    own: BTreeMap<usize, Vec<usize>>,
    /// Topmost calls of executions that a request shares, by the request and its call that waited.
    shared: BTreeMap<(usize, Option<usize>), Vec<usize>>,
}

/// A call, or several of one function on goroutines born in one call.
struct Node {
    calls: Vec<usize>,
    /// The request under which it is shown did not start it.
    shared: bool,
}

impl<'a> Tree<'a> {
    fn new(context: &'a Context, trace: &'a Trace, style: Style, view: &'a View) -> Self {
        let plan = context.plan.as_ref();
        let mut tree = Self {
            context,
            plan,
            trace,
            style,
            view,
            provenance: Provenance::new(plan, trace, &context.symbols),
            below: BTreeMap::new(),
            own: BTreeMap::new(),
            shared: BTreeMap::new(),
        };
        for (index, call) in trace.calls.iter().enumerate() {
            let above = above(call).filter(|a| *a != index);
            if let Some(above) = above {
                tree.below.entry(above).or_default().push(index);
            }
            let over = above.and_then(|a| trace.calls.get(a));
            if let Some(request) = owner(call)
                && over.and_then(owner) != Some(request)
            {
                tree.own.entry(request).or_default().push(index);
            }
            for sharing in &call.shared_with {
                let within = |c: &Call| c.shared_with.iter().any(|s| s.request == sharing.request);
                if !over.is_some_and(within) {
                    let key = (sharing.request, sharing.within);
                    tree.shared.entry(key).or_default().push(index);
                }
            }
        }
        tree
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut open = Vec::new();
        for (index, request) in self.trace.requests.iter().enumerate() {
            let roots = self.roots(index);
            let in_flight = request.state == CallState::InFlight;
            let lasts = in_flight && self.trace.until.saturating_sub(request.start) >= OPEN;
            if roots.is_empty() {
                // what else reached no traced function is counted at the end
                if lasts {
                    open.push(request);
                } else if is_refused(request) {
                    self.request(request, out)?;
                }
                continue;
            }
            self.request(request, out)?;
            let request_index = Some(index);
            self.nodes(&self.fold(&roots, request_index), "", request_index, 0, out)?;
        }
        let internal: Vec<usize> = (0..self.trace.calls.len())
            .filter(|i| {
                let call = &self.trace.calls[*i];
                call.owner == Owner::Internal && above(call).is_none()
            })
            .collect();
        if !internal.is_empty() {
            let mut line = Line::default();
            prefix(&mut line, self.view);
            line.push(Look::Bold, "daemon-internal");
            line.push(Look::Plain, " (no request certainly owns these)");
            self.put(&line, "", "  ", out)?;
            self.nodes(&self.fold(&internal, None), "", None, 0, out)?;
        }
        for request in open {
            self.request(request, out)?;
        }
        Ok(())
    }

    /// Topmost calls of a request; those of executions that another request started too.
    fn roots(&self, request: usize) -> Vec<usize> {
        let own = self.own.get(&request).into_iter().flatten();
        let shared = self.shared.get(&(request, None)).into_iter().flatten();
        own.chain(shared).copied().collect()
    }

    /// Calls below a call, as seen by one request.
    fn children(&self, index: usize, request: Option<usize>) -> Vec<usize> {
        let below = self.below.get(&index).into_iter().flatten();
        let shared = request.and_then(|r| self.shared.get(&(r, Some(index))));
        below.chain(shared.into_iter().flatten()).copied().collect()
    }

    /// Puts calls of one function that ran side by side on goroutines of their own into one node.
    fn fold(&self, calls: &[usize], request: Option<usize>) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        // workers do several things in turn: nodes by function and by the call in which the
        // goroutine was born
        let mut places: BTreeMap<(u32, usize), Vec<usize>> = BTreeMap::new();
        for index in calls {
            let call = &self.trace.calls[*index];
            let shared = request.is_some() && owner(call) != request;
            let alike = |node: &Node| {
                node.calls.first().is_some_and(|i| {
                    let other = &self.trace.calls[*i];
                    other.func == call.func
                        && other.parent.is_none()
                        && call.parent.is_none()
                        && other.born_in.is_some()
                        && other.born_in == call.born_in
                        && other.owner == call.owner
                        && other.state == call.state
                }) && node.shared == shared
            };
            let known = call
                .born_in
                .map(|born_in| places.entry((call.func, born_in)).or_default());
            let place = known
                .iter()
                .flat_map(|places| places.iter())
                .find(|at| nodes.get(**at).is_some_and(alike))
                .copied();
            match place.and_then(|at| nodes.get_mut(at)) {
                Some(node) => node.calls.push(*index),
                None => {
                    if let Some(known) = known {
                        known.push(nodes.len());
                    }
                    nodes.push(Node {
                        calls: vec![*index],
                        shared,
                    });
                }
            }
        }
        nodes
    }

    fn nodes(
        &self,
        nodes: &[Node],
        indent: &str,
        request: Option<usize>,
        level: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for (position, node) in nodes.iter().enumerate() {
            let last = position + 1 == nodes.len();
            let (branch, next) = if last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let Some(first) = node.calls.first() else {
                continue;
            };
            let children = node.calls.iter().flat_map(|i| self.children(*i, request));
            let mut below: Vec<usize> = children.collect();
            let mut line = self.call_line(node, *first, request);
            if level >= MOST_LEVELS && !below.is_empty() {
                let text = format!(" … {} calls further in", below.len());
                line.push(Look::Dim, text);
                below.clear();
            }
            let hang = if below.is_empty() { "    " } else { "│   " };
            self.put(
                &line,
                &format!("{indent}{branch}"),
                &format!("{indent}{next}{hang}"),
                out,
            )?;
            let indent = format!("{indent}{next}");
            if self.view.stack {
                self.stack(&self.trace.calls[*first], &indent, !below.is_empty(), out)?;
            }
            self.nodes(
                &self.fold(&below, request),
                &indent,
                request,
                level + 1,
                out,
            )?;
        }
        Ok(())
    }

    fn call_line(&self, node: &Node, index: usize, request: Option<usize>) -> Line {
        let call = &self.trace.calls[index];
        let mut line = Line::default();
        let Some(f) = self.plan.functions.get(call.func as usize) else {
            line.push(Look::Plain, "?");
            return line;
        };
        line.push(Look::Bold, escape(&f.short));
        if node.calls.len() > 1 {
            let goroutines: BTreeSet<_> = node
                .calls
                .iter()
                .map(|i| self.trace.calls[*i].goid)
                .collect();
            line.push(Look::Plain, format!(" × {} calls", node.calls.len()));
            let workers = goroutines.len();
            line.push(Look::Dim, format!(" ({workers} worker{})", plural(workers)));
            let total: u64 = node
                .calls
                .iter()
                .map(|i| &self.trace.calls[*i])
                .filter_map(|c| Some(c.end?.saturating_sub(c.start)))
                .fold(0, u64::saturating_add);
            line.push_whole(Look::Dim, format!("  {} in all", duration(total)));
            return line;
        }
        line.push(
            Look::Plain,
            format!("({})", arguments(&f.params, &call.params)),
        );
        match (&call.state, call.end) {
            (CallState::Returned, Some(end)) => {
                let whole = end.saturating_sub(call.start);
                line.push(Look::Plain, format!(" → {}", results(f, &call.results)));
                line.push_whole(Look::Dim, format!("  {}", duration(whole)));
                if let Some(own) = self.exclusive(index, whole) {
                    line.push_whole(Look::Dim, format!(" (own {})", duration(own)));
                }
            }
            (CallState::Panicked | CallState::Exited, end) => {
                let by = match call.state {
                    CallState::Panicked => "a panic",
                    _ => "Goexit",
                };
                let end = end.unwrap_or(call.start).saturating_sub(call.start);
                line.push(
                    Look::Warn,
                    format!("  left by {by} after {}", duration(end)),
                );
            }
            (CallState::Abandoned, _) => line.push(Look::Warn, "  left by a panic or Goexit"),
            (CallState::Unpaired, _) => {
                line.push(
                    Look::Warn,
                    "  its return cannot be told (records were lost, or its goroutine is not known there)",
                );
            }
            _ => {
                let age = self.trace.until.saturating_sub(call.start);
                line.push(Look::Warn, format!("  in flight for {}", duration(age)));
            }
        }
        if let Some(sample) = &call.sample {
            self.sample(sample, call.start, &mut line);
        }
        if let Some(origins) = origin::of_call(self.plan, self.trace, self.provenance, call) {
            line.push(Look::Dim, format!("  [{origins}]"));
        }
        let under = above(call).and_then(|a| self.trace.calls.get(a));
        if let Owner::Request {
            link: Link::Birth { hops },
            ..
        } = call.owner
            && call.parent.is_none()
            && under.is_none_or(|u| u.goid != call.goid)
        {
            let goid = call.goid.map_or_else(|| "?".to_owned(), |g| g.to_string());
            line.push(
                Look::Dim,
                format!(
                    "  [goroutine {goid}, {hops} birth{} from the request]",
                    plural(hops as usize)
                ),
            );
        }
        let above_shares = under.is_some_and(|u| !u.shared_with.is_empty());
        if !call.shared_with.is_empty() && !above_shares {
            let id = |r: usize| self.trace.requests.get(r).map(|r| format!("#{}", r.id));
            let text = if node.shared {
                let runner = owner(call).and_then(id);
                format!(
                    "  [shared by singleflight: the run of {}]",
                    runner.unwrap_or_else(|| "?".to_owned())
                )
            } else {
                let others: Vec<String> = call
                    .shared_with
                    .iter()
                    .filter(|s| Some(s.request) != request)
                    .filter_map(|s| id(s.request))
                    .collect();
                format!("  [shared by singleflight with {}]", others.join(", "))
            };
            line.push(Look::Dim, text);
        }
        line
    }

    /// What its goroutine was seen doing, and how long it had lasted then.
    fn sample(&self, sample: &Sample, start: u64, line: &mut Line) {
        let age = text::seconds(sample.at.saturating_sub(start));
        let what = escape(&sample.text(&self.plan.g));
        line.push(Look::Warn, format!("  [after {age}: {what}]"));
    }

    /// Time of a call without that of the traced calls below it, if there are any. What ran side by
    /// side counts once.
    fn exclusive(&self, index: usize, whole: u64) -> Option<u64> {
        let call = &self.trace.calls[index];
        // of a damaged recording it may lie before the start
        let end = call.end?.max(call.start);
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for below in self.below.get(&index)? {
            let c = self.trace.calls.get(*below)?;
            // not known when it ended: nothing can be said
            spans.push((
                c.start.clamp(call.start, end),
                c.end?.clamp(call.start, end),
            ));
        }
        spans.sort_unstable();
        let (mut covered, mut until) = (0u64, call.start);
        for (from, to) in spans {
            covered += to.saturating_sub(from.max(until));
            until = until.max(to);
        }
        Some(whole.saturating_sub(covered))
    }

    fn stack(&self, call: &Call, indent: &str, more: bool, out: &mut dyn Write) -> io::Result<()> {
        let rail = if more { "│ " } else { "  " };
        for address in &call.stack {
            let names = self.context.symbols.get(address);
            let frames: Vec<String> = match names {
                Some(names) if !names.is_empty() => {
                    names.iter().map(|n| escape(text::short_type(n))).collect()
                }
                _ => vec![format!("0x{address:x}")],
            };
            for frame in frames {
                let mut line = Line::default();
                line.push(Look::Dim, format!("from {frame}"));
                self.put(
                    &line,
                    &format!("{indent}{rail}"),
                    &format!("{indent}{rail}  "),
                    out,
                )?;
            }
        }
        Ok(())
    }

    fn still_open(&self, request: &Request, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut line = Line::default();
        prefix(&mut line, self.view);
        line.push(
            Look::Dim,
            format!("… #{} {}", request.id, route_within(request, 100)),
        );
        let age = self.trace.until.saturating_sub(request.start);
        line.push_whole(Look::Dim, format!(" open for {}", duration(age)));
        if request.hijacked == Some(true) {
            line.push(Look::Dim, ", connection taken over");
        }
        if let Some(runs) = request.waits_for {
            line.push(Look::Dim, format!(", waits for the run of #{runs}"));
        }
        let inside: Vec<String> = super::open_calls(self.plan, self.trace, index)
            .map(|f| escape(&f.short))
            .collect();
        if !inside.is_empty() {
            line.push(Look::Dim, format!(", in {}", inside.join(" → ")));
        }
        if let Ok(known) = &request.client {
            line.push(Look::Dim, format!("  {}", client(known)));
        }
        self.put(&line, "", "    ", out)
    }

    fn request(&self, request: &Request, out: &mut dyn Write) -> io::Result<()> {
        let mut line = Line::default();
        prefix(&mut line, self.view);
        line.push(Look::Bold, format!("#{} {}", request.id, route(request)));
        let took = request
            .end
            .map(|end| duration(end.saturating_sub(request.start)));
        let age = || duration(self.trace.until.saturating_sub(request.start));
        let (look, state) = match (&request.state, request.status, took) {
            (CallState::Returned, _, Some(took)) if request.hijacked == Some(true) => {
                (Look::Plain, format!(" connection taken over, {took}"))
            }
            (CallState::Returned, Some(status), Some(took)) => {
                let bytes = request
                    .bytes
                    .map_or_else(String::new, |n| format!(", {n} bytes"));
                let look = if status >= 400 {
                    Look::Warn
                } else {
                    Look::Plain
                };
                (look, format!(" {status}{bytes}, {took}"))
            }
            (CallState::Returned, None, Some(took)) => (Look::Plain, format!(" no status, {took}")),
            (CallState::Panicked | CallState::Exited, _, took) => {
                let by = match request.state {
                    CallState::Panicked => "panicked",
                    _ => "ended by Goexit",
                };
                let took = took.unwrap_or_else(|| "?".to_owned());
                // `(*conn).serve` closes it, unless it is no longer net/http's own
                let connection = match request.hijacked {
                    Some(true) => "connection taken over, ",
                    Some(false) => "connection closed, ",
                    None => "",
                };
                (Look::Warn, format!(" handler {by}, {connection}{took}"))
            }
            (CallState::Abandoned, _, _) => (
                Look::Warn,
                " its handler never returned (a panic or Goexit)".to_owned(),
            ),
            (CallState::Unpaired, _, _) => (Look::Warn, " return lost".to_owned()),
            _ if request.hijacked == Some(true) => (
                Look::Warn,
                format!(" open for {}, connection taken over", age()),
            ),
            _ => (Look::Warn, format!(" open for {}", age())),
        };
        line.push_whole(look, state);
        if let Some(sample) = &request.sample {
            self.sample(sample, request.start, &mut line);
        }
        if let Some(runs) = request.waits_for {
            line.push(Look::Warn, format!(", waits for the run of #{runs}"));
        }
        if let Some(unread) = request::unread(self.plan, request) {
            line.push(Look::Warn, format!("  [not read: {unread}]"));
        }
        line.push(
            Look::Dim,
            format!("  {}", time(&self.context.clock, request.start)),
        );
        match (&request.client, &request.user_agent) {
            (Ok(known), _) => line.push(Look::Dim, format!("  {}", client(known))),
            (Err(_), agent @ Some(_)) => {
                line.push(Look::Dim, format!("  {}", request::agent(agent.as_ref())));
            }
            (Err(_), None) => {}
        }
        self.put(&line, "", "    ", out)
    }

    fn put(&self, line: &Line, first: &str, rest: &str, out: &mut dyn Write) -> io::Result<()> {
        line.put(self.style, self.view.width, first, rest, out)
    }
}

/// Whether a request failed although it may have reached no traced function: who sent it looks for
/// it.
fn is_refused(request: &Request) -> bool {
    match request.state {
        CallState::Returned => request.status.is_some_and(|status| status >= 400),
        CallState::Panicked | CallState::Exited | CallState::Abandoned => true,
        CallState::InFlight | CallState::Unpaired => false,
    }
}

fn owner(call: &Call) -> Option<usize> {
    match call.owner {
        Owner::Request { request, .. } => Some(request),
        Owner::Internal => None,
    }
}

/// The call under which one is shown.
fn above(call: &Call) -> Option<usize> {
    call.parent.or(call.born_in)
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
