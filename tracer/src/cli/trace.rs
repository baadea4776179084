//! `mobytrace trace`: live session, recorded with `-o`.

use std::io::Write;

use anyhow::Result;

use super::args::{self, StreamFormat};
use super::command::Running;
use super::failure::Failure;
use super::live::{self, Live, Prepared, Stop};
use crate::render::{self, Style};
use crate::target::candidates;

/// `Ok(false)`: nothing was traced.
pub async fn run(
    args: &args::Trace,
    style: Style,
    verbose: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    let mut daemon = args.daemon.clone();
    if args.all {
        match candidates().as_slice() {
            [one] => daemon.pid = Some(one.pid),
            [] => return Err(Failure::from(crate::target::no_daemon()).into()),
            several => {
                let pids: Vec<String> = several.iter().map(|c| c.pid.to_string()).collect();
                return Err(Failure::new(
                    format!(
                        "{} dockerd processes run (pids {}); one session traces one",
                        several.len(),
                        pids.join(", ")
                    ),
                    "run one mobytrace per daemon: `mobytrace trace --pid N`",
                )
                .into());
            }
        }
    }
    let prepared = Prepared::daemon(&daemon, &args.profiles, &args.functions)?;
    let mut live = Live::attach(&prepared, args.output.as_deref(), verbose)?;
    // names the callers: who made a value, and `--stack`
    let binary = live.binary();
    let mut sink = render::Stream::new(
        match args.format {
            StreamFormat::Tree => render::StreamKind::Tree,
            StreamFormat::Jsonl => render::StreamKind::Jsonl,
        },
        style,
        render::View {
            root: args.root.clone(),
            stack: args.stack,
            ..render::View::of_stdout()
        },
        &prepared.header,
    );
    sink.header(out)?;
    let until = async {
        for command in &args.commands {
            Running::start(command, prepared.socket.as_deref())?
                .wait()
                .await?;
        }
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None if args.commands.is_empty() => std::future::pending::<()>().await,
            // the daemon writes its answer before its handler returns
            None => tokio::time::sleep(super::SETTLE).await,
        }
        anyhow::Ok(())
    };
    let mut seen = 0u64;
    let stop = live
        .collect(until, |correlator| {
            let fresh = correlator.drain_finished();
            seen += fresh.calls.len() as u64;
            sink.name(live::symbols(&binary, sink.nameless(&fresh)));
            sink.write(&fresh, out)?;
            out.flush()?;
            Ok(args
                .calls
                .is_some_and(|most| seen >= most)
                .then_some(Ok(())))
        })
        .await;
    // whatever happened, the probes go and the recording is closed before anything else is said
    let finished = live.finish();
    match stop? {
        Stop::Done(result) => result?,
        Stop::DaemonEnded => eprintln!("the daemon ended"),
        Stop::Interrupted => {}
    }
    let (rest, trailer) = finished?;
    seen += rest.calls.len() as u64;
    sink.name(live::symbols(&binary, sink.nameless(&rest)));
    sink.write(&rest, out)?;
    sink.finish(&rest.summary, &trailer.completeness(), out)?;
    eprintln!("{}", trailer.completeness());
    Ok(seen > 0)
}
