//! Where traces go: the one way from a session or a recording to an output.

use std::io::{self, Write};

use super::{Context, Filter, Selected};
use crate::correlate::{Summary, Trace};

/// A form of output: it is given what was traced and writes it.
///
/// A sink is for one incarnation of a daemon: where a session goes on after a restart, the next one
/// gets a sink of its own, and `Context::seam` says what was before.
///
/// The order of calls is `begin`, then any number of `batch` and `open` in any order, then
/// `finish`:
///
/// - `begin` comes once, when the probes are there or the recording is read.
/// - `batch` comes whenever something is over: requests with all their calls, and calls that no
///   request owns. What is in one batch is in no later one, except that a request comes again, as
///   it was, with calls that outlived it. Positions in a trace (`Call::parent`, `Owner`) mean that
///   batch alone. The last batch holds what is still open as well. A small recording is one
///   batch, a large one several.
/// - `open` comes while a live session goes on, once for each request that has been open for long.
///   The same request comes in a batch later. Recordings have none.
/// - `finish` comes once, at the end. It does not come if a call before it failed.
///
/// A sink writes to `out` and nowhere else, does not wait for anything but `out`, and keeps a
/// bounded part of what it is given. What a batch holds is untrusted: the daemon's clients chose
/// it, so a sink escapes it. Filters were applied before. An error ends the session as any other
/// end does: the probes go, the recording gets its end, then the error is reported.
///
/// A sink of one's own that prints a line for each request:
///
/// ```
/// use std::io::{self, Write};
///
/// use mobytrace::capture::Recording;
/// use mobytrace::correlate::Trace;
/// use mobytrace::render::escape;
/// use mobytrace::session::{Context, End, Filter, Sink, Stream, replay};
///
/// struct Routes;
///
/// impl Sink for Routes {
///     fn batch(&mut self, _: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
///         trace.requests.iter().try_for_each(|r| {
///             let route = format!("{} {}", r.method, r.path);
///             writeln!(out, "#{} {}", r.id, escape(&route))
///         })
///     }
///     fn finish(&mut self, _: &Context, end: &End, out: &mut dyn Write) -> io::Result<()> {
///         writeln!(out, "{} calls", end.selected.calls)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/stock-20.10.24.mobytrace");
/// let recording = Recording::read(std::fs::File::open(file)?)?;
/// let mut out = Vec::new();
/// let context = Context::of_recording(&recording);
/// let mut stream = Stream::new(context, Filter::default(), Box::new(Routes));
/// stream.begin(&mut out)?;
/// let trace = replay(&recording);
/// stream.batch(&trace, &mut out)?;
/// stream.finish(&trace.summary, &mut out)?;
/// let text = String::from_utf8(out)?;
/// assert!(text.contains("#6 GET /v1.41/containers/json\n"), "{text}");
/// # assert!(text.ends_with(" calls\n"), "{text}");
/// # Ok(())
/// # }
/// ```
pub trait Sink {
    /// What is traced, before anything of it comes.
    ///
    /// # Errors
    /// Writing fails.
    fn begin(&mut self, _context: &Context, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// What is over.
    ///
    /// # Errors
    /// Writing fails.
    fn batch(&mut self, context: &Context, trace: &Trace, out: &mut dyn Write) -> io::Result<()>;

    /// Requests that have been open for long, with what they have done so far.
    ///
    /// # Errors
    /// Writing fails.
    fn open(&mut self, _context: &Context, _open: &Trace, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// The end; `Context::completeness` is known now.
    ///
    /// # Errors
    /// Writing fails.
    fn finish(&mut self, context: &Context, end: &End, out: &mut dyn Write) -> io::Result<()>;
}

/// What is known at the end.
#[derive(Clone, Debug, Default)]
pub struct End {
    pub summary: Summary,
    /// Requests that came, whether they were shown or not.
    pub came: u64,
    /// What was asked for, and what of it was there.
    pub selected: Selected,
}

/// Gives a session's or recording's batches to a sink: what is wanted of them, with what is known
/// of the session.
pub struct Stream {
    context: Context,
    selected: Selected,
    sink: Box<dyn Sink>,
    came: u64,
}

impl Stream {
    /// What `filter` wants of a session or recording goes to `sink`.
    #[must_use]
    pub fn new(context: Context, filter: Filter, sink: Box<dyn Sink>) -> Self {
        Self {
            context,
            selected: Selected::new(filter),
            sink,
            came: 0,
        }
    }

    /// What is known of the session; names and completeness are added as they become known.
    pub fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Calls given out up to now.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.selected.calls
    }

    /// Whether anything that was asked for was there.
    #[must_use]
    pub fn found(&self) -> bool {
        self.selected.any()
    }

    /// Begins the output.
    ///
    /// # Errors
    /// Writing fails.
    pub fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.sink.begin(&self.context, out)
    }

    /// What is over.
    ///
    /// # Errors
    /// Writing fails.
    pub fn batch(&mut self, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        let last = trace.requests.iter().map(|r| u64::from(r.id)).max();
        let before = u64::from(self.context.requests_before());
        self.came = self.came.max(last.unwrap_or(0).saturating_sub(before));
        let selected = self.selected.of(&self.context.plan, trace);
        self.sink.batch(&self.context, &selected, out)
    }

    /// Requests that have been open for long.
    ///
    /// # Errors
    /// Writing fails.
    pub fn open(&mut self, open: &Trace, out: &mut dyn Write) -> io::Result<()> {
        let selected = self.selected.part(&self.context.plan, open);
        self.sink.open(&self.context, &selected, out)
    }

    /// Ends the output.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(&mut self, summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
        let end = End {
            summary: summary.clone(),
            came: self.came,
            selected: self.selected.clone(),
        };
        self.sink.finish(&self.context, &end, out)
    }
}
