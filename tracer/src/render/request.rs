//! What a request says of itself, and who sent it: its route, its User-Agent, the name of its
//! client's process.

use super::text::escape;
use crate::correlate::{ProcessName, Request};
use crate::decode::Text;
use crate::plan::Plan;
use crate::provenance;

/// Longest route and User-Agent on a line, characters.
const MOST_ROUTE: usize = 400;
const MOST_AGENT: usize = 60;

/// `GET /v1.41/containers/json?all=1`, escaped; of a long one the beginning and its true length.
pub fn route(request: &Request) -> String {
    route_within(request, MOST_ROUTE)
}

/// The same, of at most so many characters.
pub fn route_within(request: &Request, most: usize) -> String {
    let mut parts = vec![(&request.method, ""), (&request.path, " ")];
    if request.query.true_len() != Some(0) {
        parts.push((&request.query, "?"));
    }
    shown(&parts, most)
}

/// Unread parameters on a line; a hostile request may have any number.
const MOST_UNREAD: usize = 4;

/// Parameters that no handler reads: `timeout (no parameter of this route)`.
pub fn unread(plan: &Plan, request: &Request) -> Option<String> {
    let all = provenance::unread(plan, request);
    let mut shown: Vec<String> = all
        .iter()
        .take(MOST_UNREAD)
        .map(|one| format!("{} ({})", parameter(&one.parameter), one.why))
        .collect();
    if all.len() > shown.len() {
        shown.push(format!("… {} more", all.len() - shown.len()));
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn parameter(name: &str) -> String {
    shown(&[(&Text::from(name), "")], MOST_AGENT)
}

/// The User-Agent, escaped and bounded; that there is none, or that it is not known.
pub fn agent(agent: Option<&Text>) -> String {
    agent.map_or_else(
        || "no User-Agent".to_owned(),
        |agent| shown(&[(agent, "")], MOST_AGENT),
    )
}

/// The name of a client's process, escaped.
pub fn process(name: &ProcessName) -> String {
    match name {
        ProcessName::Known(name) => escape(name),
        ProcessName::Ended => "a process that ended".to_owned(),
        ProcessName::Unknown => "a process whose name was not captured".to_owned(),
    }
}

/// Texts, each with what stands before it. The first that is not there whole ends the line, with
/// the true length as far as it is known.
fn shown(parts: &[(&Text, &str)], most: usize) -> String {
    let (mut text, mut cut, mut missing) = (String::new(), false, None);
    let mut true_len = Some(0);
    for (part, before) in parts {
        let len = part
            .true_len()
            .map(|len| len.saturating_add(before.len() as u64));
        true_len = true_len
            .zip(len)
            .map(|(a, b): (u64, u64)| a.saturating_add(b));
        if cut || missing.is_some() {
            continue;
        }
        text.push_str(before);
        match part {
            Text::Missing(why) => missing = Some(why),
            other => {
                text.push_str(&other.captured_str());
                cut = other.whole().is_none();
            }
        }
    }
    let mut line = escape(&text.chars().take(most).collect::<String>());
    if text.chars().nth(most).is_some() {
        missing = None;
        cut = true;
    }
    match (missing, cut, true_len) {
        (Some(why), _, _) => line.push_str(&format!("<missing: {}>", escape(&why.to_string()))),
        (None, true, Some(len)) => line.push_str(&format!("… ({len} bytes)")),
        (None, true, None) => line.push('…'),
        (None, false, _) => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::examples;
    use crate::decode::Missing;

    fn cut(part: &str, len: u64) -> Text {
        Text::Cut {
            part: part.into(),
            len,
            why: Missing::Lost,
        }
    }

    #[test]
    fn routes_say_what_is_not_there() {
        let check = |path: Text, query: Text, most, expected: &str| {
            let request = Request {
                path,
                query,
                ..examples::request("GET", "", "")
            };
            assert_eq!(route_within(&request, most), expected);
        };
        check("/info".into(), "".into(), 99, "GET /info");
        check("/a".into(), "x=\u{1b}[1m".into(), 99, "GET /a?x=\\u{1b}[1m");
        check("/a".into(), "all=1".into(), 8, "GET /a?a… (12 bytes)");
        check(
            "/a".into(),
            cut("all=1", 1000),
            99,
            "GET /a?all=1… (1007 bytes)",
        );
        check("/a".into(), cut("", 1000), 99, "GET /a?… (1007 bytes)");
        check(cut("/a", 90), "x=1".into(), 99, "GET /a… (98 bytes)");
        let lost = || Text::Missing(Missing::Lost);
        check(
            "/a".into(),
            lost(),
            99,
            "GET /a?<missing: its record was lost>",
        );
        check(lost(), lost(), 99, "GET <missing: its record was lost>");
        check("/abcdef".into(), lost(), 6, "GET /a…");
    }

    #[test]
    fn no_user_agent_is_not_an_unknown_one() {
        assert_eq!(agent(None), "no User-Agent");
        assert_eq!(agent(Some(&"curl/8".into())), "curl/8");
        assert_eq!(agent(Some(&cut("curl", 70_000))), "curl… (70000 bytes)");
        assert_eq!(
            agent(Some(&Text::Missing(Missing::Lost))),
            "<missing: its record was lost>"
        );
        assert_eq!(
            agent(Some(&"x".repeat(61).as_str().into())),
            format!("{}… (61 bytes)", "x".repeat(60))
        );
    }
}
