//! The forms of output, in one table: what the commands offer, and their help, is made from it.

use super::jsonl::JsonLines;
use super::markdown::Markdown;
use super::table::Table;
use super::tree::Trees;
use super::{Style, View};
use crate::session::{Context, Sink};

/// One form of output.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// How users name it.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// It can be written while a session goes on. Recordings are shown in every form.
    pub live: bool,
    /// It shows time in layer sizes, which is traced only where somebody looks at it.
    pub layers: bool,
    make: fn(&Context, Style, View) -> Box<dyn Sink>,
}

/// All of them; the first is the default.
pub const FORMATS: &[Format] = &[
    Format {
        name: "tree",
        about: "requests and their calls, for reading",
        live: true,
        layers: false,
        make: |context, style, view| Box::new(Trees::new(context, style, view)),
    },
    Format {
        name: "table",
        about: "one row for each endpoint and client",
        live: true,
        layers: true,
        make: |context, style, view| Box::new(Table::new(context, style, view)),
    },
    Format {
        name: "jsonl",
        about: "one JSON object in each line, for programs",
        live: true,
        layers: false,
        make: |_, _, _| Box::new(JsonLines),
    },
    Format {
        name: "markdown",
        about: "everything in one piece, for a bug report",
        live: false,
        layers: false,
        make: |context, _, view| Box::new(Markdown::new(context, view)),
    },
];

impl Format {
    /// A sink of this form for a session or recording.
    #[must_use]
    pub fn sink(&self, context: &Context, style: Style, view: View) -> Box<dyn Sink> {
        (self.make)(context, style, view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Completeness;
    use crate::correlate::Trace;
    use crate::session::{Filter, Stream};

    fn shown(format: &Format, completeness: Completeness) -> String {
        let context = Context::default();
        let sink = format.sink(&context, Style::new(Some(false)), View::default());
        let mut stream = Stream::new(context, Filter::default(), sink);
        let mut out = Vec::new();
        stream.begin(&mut out).expect("written");
        stream.batch(&Trace::default(), &mut out).expect("written");
        stream.context().ended(completeness);
        let summary = crate::correlate::Summary::default();
        stream.finish(&summary, &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lost_records_are_said_in_every_format() {
        let text = "incomplete: 7 hits; 3 records lost (ring buffer full)";
        let of = |records_missing| Completeness {
            text: text.into(),
            records_missing,
        };
        for format in FORMATS {
            let plain = shown(format, of(true)).replace('\\', "");
            assert!(plain.contains(text), "{}: {plain}", format.name);
        }
        // what is missing within values is said at each of them
        let tree = shown(&FORMATS[0], of(false));
        assert!(!tree.contains(text));
        assert!(tree.contains("no request came"));
    }

    #[test]
    fn formats_have_different_names() {
        let names: std::collections::BTreeSet<&str> = FORMATS.iter().map(|f| f.name).collect();
        assert_eq!(names.len(), FORMATS.len());
    }
}
