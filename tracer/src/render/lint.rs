//! Warnings of the ledger in words.

use std::io::{self, Write};

use super::line::{Line, Look, prefix};
use super::text::{escape, seconds, shorten};
use super::{Style, View};
use crate::ledger::{Lint, Repeated, size_of};
use crate::moby::endpoints::DISK_USAGE;

/// Longest query in a warning.
const MOST_QUERY: usize = 80;

/// One warning, without a word in front that says so.
pub fn lint(lint: &Lint) -> String {
    match lint {
        Lint::SizePoll {
            what,
            interval,
            percent,
        } => {
            let asked = match size_of(&what.query) {
                Some(size) => format!("\"{}\"", escape(size)),
                None => escape(&what.endpoint),
            };
            format!(
                "{asked} polled every {} by {}: {percent} % of list time",
                seconds(*interval),
                sender(what)
            )
        }
        Lint::Flood {
            what,
            count,
            lasted,
        } => format!(
            "{} sent {} times in {} by {}: /events tells of changes without being asked",
            request(what),
            count,
            seconds(*lasted),
            sender(what)
        ),
        Lint::Failing {
            what,
            count,
            statuses,
        } => {
            let statuses: Vec<String> = statuses.iter().map(ToString::to_string).collect();
            format!(
                "all {count} {} by {} failed ({})",
                request(what),
                sender(what),
                statuses.join(", ")
            )
        }
        Lint::Waiting {
            waiters,
            endpoint,
            request,
            ns,
        } => format!(
            "{} for one {} (#{request}), {} so far",
            if *waiters == 1 {
                "1 request waits".to_owned()
            } else {
                format!("{waiters} requests wait")
            },
            run(endpoint),
            seconds(*ns)
        ),
        Lint::Waited {
            waiters,
            endpoint,
            request,
            ns,
        } => format!(
            "{waiters} request{} waited for one {} (#{request}) that took {}",
            if *waiters == 1 { "" } else { "s" },
            run(endpoint),
            seconds(*ns)
        ),
    }
}

/// All of them, one below the other.
pub fn write(lints: &[Lint], style: Style, view: &View, out: &mut dyn Write) -> io::Result<()> {
    for one in lints {
        let mut line = Line::default();
        prefix(&mut line, view);
        line.push(Look::Warn, format!("warning: {}", lint(one)));
        line.put(style, view.width, "", "  ", out)?;
    }
    Ok(())
}

fn run(endpoint: &str) -> String {
    match endpoint {
        DISK_USAGE => "disk-usage run".to_owned(),
        other => format!("run of {}", escape(other)),
    }
}

fn sender(what: &Repeated) -> String {
    match &what.comm {
        Some(comm) => format!("pid {} ({})", what.pid, escape(comm)),
        None => format!("pid {}", what.pid),
    }
}

fn request(what: &Repeated) -> String {
    if what.query.is_empty() {
        return escape(&what.endpoint);
    }
    let query = shorten(&what.query, MOST_QUERY, what.query.len() as u64);
    format!("{}?{}", escape(&what.endpoint), escape(&query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_in_words() {
        let what = |endpoint: &str, query: &str| Repeated {
            endpoint: endpoint.into(),
            query: query.into(),
            pid: 812,
            comm: Some("net\u{1b}data".into()),
        };
        let poll = Lint::SizePoll {
            what: what("GET /containers/json", "all=1&size=1"),
            interval: 1_000_000_000,
            percent: 93,
        };
        assert_eq!(
            lint(&poll),
            "\"size=1\" polled every 1.0 s by pid 812 (net\\u{1b}data): 93 % of list time"
        );
        let waiting = Lint::Waiting {
            waiters: 3,
            endpoint: "GET /system/df".into(),
            request: 4,
            ns: 38_200_000_000,
        };
        assert_eq!(
            lint(&waiting),
            "3 requests wait for one disk-usage run (#4), 38 s so far"
        );
        let failing = Lint::Failing {
            what: what("GET /containers/{id}/json", ""),
            count: 12,
            statuses: vec![404],
        };
        assert_eq!(
            lint(&failing),
            "all 12 GET /containers/{id}/json by pid 812 (net\\u{1b}data) failed (404)"
        );
    }
}
