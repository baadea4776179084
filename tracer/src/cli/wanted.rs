//! Which request of a trace came from a command or GET of `compare`.

use std::path::Path;

use crate::correlate::{Client, Request, Trace};
use crate::moby::endpoints::PING;
use crate::moby::programs::{CLIENT, CLIENT_AGENT, COMMANDS};
use crate::render;

/// What a column should show: who sent it, and when (monotonic ns).
pub struct Wanted {
    pub label: String,
    pub start: u64,
    pub end: u64,
    pub sender: Sender,
}

pub enum Sender {
    /// Our own GET, by its User-Agent, which nobody else sends.
    Get { user_agent: String },
    /// A command, by the process id of its shell as it is in our pid namespace.
    Command { shell: Option<u32> },
}

impl Wanted {
    /// The requests that can have come from it: those that reached a traced function, else those
    /// that reached none, which is what became of one that was refused. All of them: more than one
    /// is ambiguous, and none is picked.
    pub fn choose(&self, trace: &Trace) -> render::Column {
        let fits = |index: &usize| trace.requests.get(*index).is_some_and(|r| self.fits(r));
        // what a client asks first to learn the API version is not what its user asked
        let asks = |index: &usize| {
            let path = trace.requests.get(*index).map(|r| &r.path);
            path.is_some_and(|p| !p.whole().is_some_and(|p| p.ends_with(PING.as_bytes())))
        };
        let mut candidates: Vec<usize> = render::list_requests(trace);
        candidates.retain(fits);
        if candidates.is_empty() {
            candidates = (0..trace.requests.len())
                .filter(fits)
                .filter(asks)
                .collect();
        }
        render::Column {
            label: self.label.clone(),
            candidates,
        }
    }

    /// Whether a request can have come from it, by its time and its sender.
    pub fn fits(&self, request: &Request) -> bool {
        if !(self.start..=self.end).contains(&request.start) {
            return false;
        }
        let agent = request.user_agent.as_ref();
        match &self.sender {
            Sender::Get { user_agent } => agent.is_some_and(|a| a.is(user_agent)),
            Sender::Command { shell } => {
                let descends = request
                    .client
                    .as_ref()
                    .ok()
                    .zip(*shell)
                    .and_then(|(client, shell)| descends_from(client, shell));
                // what the request says of itself counts only where its sender is not known
                descends.unwrap_or_else(|| {
                    let route = cli_route(&self.label).map(str::as_bytes);
                    let prefix = cli_agent(&self.label).map(str::as_bytes);
                    route.is_none_or(|r| request.path.whole().is_some_and(|p| p.ends_with(r)))
                        && prefix.is_none_or(|prefix| {
                            // one that was not captured may be any
                            agent.is_none_or(|agent| {
                                agent.true_len().is_none() || agent.captured().starts_with(prefix)
                            })
                        })
                })
            }
        }
    }
}

/// Whether the client is that process or descends from it; `None`: its ancestors are not known (it
/// had ended before they could be read).
fn descends_from(client: &Client, process: u32) -> Option<bool> {
    if client.pid == process {
        return Some(true);
    }
    let ancestors = client.ancestors.as_ref().ok()?;
    Some(ancestors.contains(&process))
}

/// Words of a docker command line; none for another program, or for a command that the shell would
/// split up.
fn docker_words(command: &str) -> Option<Vec<&str>> {
    let mut words = command
        .split_ascii_whitespace()
        .skip_while(|word| word.contains('='));
    let program = words.next()?;
    let is_docker = Path::new(program).file_name().is_some_and(|n| n == CLIENT);
    is_docker.then(|| words.filter(|w| !w.starts_with('-')).collect())
}

/// How the User-Agent of a docker command begins.
fn cli_agent(command: &str) -> Option<&'static str> {
    docker_words(command).map(|_| CLIENT_AGENT)
}

/// End of the path that a docker command asks for, where that is certain.
fn cli_route(command: &str) -> Option<&'static str> {
    if command.contains(['&', '|', ';', '`', '$', '(']) {
        return None;
    }
    let words = docker_words(command)?;
    COMMANDS
        .iter()
        .find(|(first, _)| words.starts_with(first))
        .map(|(_, path)| *path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::ProcessName;
    use crate::decode::Missing;

    #[test]
    fn routes_of_docker_commands() {
        assert_eq!(cli_route("docker ps -a"), Some("/containers/json"));
        assert_eq!(
            cli_route("DOCKER_X=1 /usr/bin/docker container ls"),
            Some("/containers/json")
        );
        assert_eq!(cli_route("docker system df -v"), Some("/system/df"));
        assert_eq!(cli_route("docker info"), None);
        assert_eq!(cli_route("docker ps & docker system df"), None);
        assert_eq!(cli_route("curl x"), None);
    }

    #[test]
    fn a_client_descends_from_its_shell_or_not_or_nobody_knows() {
        let client = |pid, ancestors: Option<&[u32]>| Client {
            pid,
            uid: None,
            comm: ProcessName::Ended,
            ancestors: ancestors.map(<[u32]>::to_vec).ok_or(Missing::Lost),
            container: Ok(None),
        };
        assert_eq!(descends_from(&client(7, Some(&[7, 5, 1])), 5), Some(true));
        assert_eq!(descends_from(&client(5, None), 5), Some(true));
        assert_eq!(descends_from(&client(7, Some(&[7, 6, 1])), 5), Some(false));
        assert_eq!(descends_from(&client(7, None), 5), None);
    }
}
