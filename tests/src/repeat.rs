//! Recordings of any size, made of a real one: what is in it happens again and again, each time
//! later and on goroutines of its own.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::mem::offset_of;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mobytrace::capture::Recording;
use mobytrace::plan::{Plan, Role};
use tracer_ebpf::wire::record::{Head, Item};

/// Frame kinds, as in docs: header, record, trailer.
const HEADER: u32 = 1;
const RECORD: u32 = 2;
const TRAILER: u32 = 3;
/// Bytes of magic and version, and of what stands before each frame.
const START: usize = 12;
const FRAME: usize = 8;
/// From the last record of a round to the first of the next, ns.
const PAUSE: u64 = 1_000_000;

/// Where words of the records lie that a round changes.
struct Round {
    /// All record frames, as they were.
    bytes: Vec<u8>,
    times: Vec<usize>,
    goroutines: Vec<usize>,
    /// What is added to them in each round.
    later: u64,
    further: u64,
}

/// Writes a recording in which everything of `recording` happens `rounds` times. It must hold
/// records only, and nothing may be open at its end.
///
/// # Errors
/// It is no such recording, or the file cannot be written.
pub fn repeat(recording: &[u8], rounds: u64, to: &Path) -> Result<()> {
    let plan = Recording::read(recording)?.header().plan.clone();
    let frames = frames(recording)?;
    let (Some((HEADER, header)), Some((TRAILER, trailer))) = (frames.first(), frames.last()) else {
        anyhow::bail!("not a whole recording");
    };
    let round = Round::new(&plan, &frames[1..frames.len() - 1])?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    out.write_all(&recording[..START])?;
    out.write_all(header)?;
    let mut bytes = round.bytes.clone();
    for n in 0..rounds {
        for (places, add) in [
            (&round.times, n * round.later),
            (&round.goroutines, n * round.further),
        ] {
            for at in places {
                let word = word(&round.bytes, *at).context("word")? + add;
                bytes[*at..at + 8].copy_from_slice(&word.to_le_bytes());
            }
        }
        out.write_all(&bytes)?;
    }
    out.write_all(trailer)?;
    out.flush()?;
    Ok(())
}

/// Kind and bytes of each frame, with what stands before its payload.
fn frames(recording: &[u8]) -> Result<Vec<(u32, &[u8])>> {
    let mut frames = Vec::new();
    let mut rest = recording.get(START..).context("start")?;
    while let Some((kind, len)) = number(rest, 0).zip(number(rest, 4)) {
        let (frame, further) = rest
            .split_at_checked(FRAME + len as usize)
            .context("frame")?;
        frames.push((kind, frame));
        rest = further;
    }
    Ok(frames)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl Round {
    fn new(plan: &Plan, frames: &[(u32, &[u8])]) -> Result<Self> {
        let mut this = Self {
            bytes: Vec::new(),
            times: Vec::new(),
            goroutines: Vec::new(),
            later: 0,
            further: 0,
        };
        let (mut goids, mut births) = (BTreeSet::new(), Vec::new());
        for (kind, frame) in frames {
            ensure!(*kind == RECORD, "a frame of kind {kind}");
            let head = this.bytes.len() + FRAME;
            this.bytes.extend_from_slice(frame);
            this.times.push(head + offset_of!(Head, ktime));
            for at in [offset_of!(Head, goid), offset_of!(Head, parent_goid)] {
                let goid = word(frame, FRAME + at).context("goid")?;
                if goid != 0 {
                    goids.insert(goid);
                    this.goroutines.push(head + at);
                }
            }
            let site = number(frame, FRAME + offset_of!(Head, site)).context("site")?;
            let site = plan.sites.get(site as usize).context("site")?;
            if plan.functions[site.func as usize].role == Role::Birth {
                births.push(head + size_of::<Head>()..this.bytes.len());
            }
        }
        // who is born, and of whom, stands in what was captured
        for mut items in births {
            while items.start < items.end {
                let len = number(&this.bytes, items.start + offset_of!(Item, len));
                let value = items.start + offset_of!(Item, value);
                let payload = items.start + size_of::<Item>();
                items.start = payload + (len.context("item")? as usize).next_multiple_of(8);
                let words = std::iter::once(value).chain((payload..items.start).step_by(8));
                let named = |at: &usize| word(&this.bytes, *at).is_some_and(|w| goids.contains(&w));
                let named: Vec<usize> = words.filter(named).collect();
                this.goroutines.extend(named);
            }
        }
        let times = this.times.iter().filter_map(|at| word(&this.bytes, *at));
        let (first, last) = (times.clone().min(), times.max());
        this.later = last.zip(first).map_or(0, |(l, f)| l - f) + PAUSE;
        this.further = goids.last().context("goroutines")? + 1;
        Ok(this)
    }
}
