//! A recording as a whole, in memory.

use std::collections::BTreeMap;
use std::io::Read;

use super::reader::{Ending, Error, Event, Reader};
use super::{Completeness, Header, Trailer};
use crate::addr::ImageAddr;
use crate::decode::{Part, Sample};
use crate::plan::Plan;

/// A segment of a recording in memory: of one incarnation of the daemon.
#[derive(Debug)]
pub struct Recording {
    header: Header,
    parts: Vec<Part>,
    /// With the number of parts before each.
    samples: Vec<(usize, Sample)>,
    ending: Ending,
}

impl Recording {
    /// Reads the first segment of a recording, to its end or to where it is damaged.
    ///
    /// # Errors
    /// It is none, it is of a newer format, or not even its header is whole.
    pub fn read(input: impl Read) -> Result<Self, Error> {
        Ok(Self::segment(Reader::begin(input)?)?.0)
    }

    /// Reads all segments of a recording, one for each incarnation of the daemon.
    ///
    /// # Errors
    /// As for `read`.
    pub fn segments(input: impl Read) -> Result<Vec<Self>, Error> {
        let mut segments = Vec::new();
        let mut next = Some(Reader::begin(input)?);
        while let Some(reader) = next {
            let (segment, behind) = Self::segment(reader)?;
            segments.push(segment);
            next = behind;
        }
        Ok(segments)
    }

    fn segment<R: Read>(mut reader: Reader<R>) -> Result<(Self, Option<Reader<R>>), Error> {
        let (mut parts, mut samples) = (Vec::new(), Vec::new());
        while let Some(event) = reader.next_event()? {
            match event {
                Event::Part(part) => parts.push(part),
                Event::Sample(sample) => samples.push((parts.len(), sample)),
            }
        }
        let header = reader.header().clone();
        let (ending, next) = reader.next_segment()?;
        let segment = Self {
            header,
            parts,
            samples,
            ending,
        };
        Ok((segment, next))
    }

    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.header.plan
    }

    #[must_use]
    pub fn trailer(&self) -> Option<&Trailer> {
        self.ending.trailer.as_ref()
    }

    /// What is known at its end.
    #[must_use]
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Names of return addresses in caller stacks, innermost inlined frame first.
    #[must_use]
    pub fn symbols(&self) -> BTreeMap<ImageAddr, Vec<String>> {
        self.ending.symbols()
    }

    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Looks at goroutines, each with the number of parts before it.
    #[must_use]
    pub fn samples(&self) -> &[(usize, Sample)] {
        &self.samples
    }

    /// Everything that was captured, in the order in which that happened.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        let mut parts = self.parts.iter().enumerate().peekable();
        let mut samples = self.samples.iter().peekable();
        std::iter::from_fn(move || {
            let next = parts.peek().map(|(index, _)| *index);
            let due = samples.next_if(|(before, _)| next.is_none_or(|index| *before <= index));
            match due {
                Some((_, sample)) => Some(Event::Sample(sample.clone())),
                None => parts.next().map(|(_, part)| Event::Part(part.clone())),
            }
        })
    }

    /// Why it ends where it should not, or what of it is damaged.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        self.ending.damage.as_deref()
    }

    /// Complete, or what is missing.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        self.ending.completeness()
    }

    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.ending.is_whole()
    }
}

#[cfg(test)]
mod tests {
    use crate::capture::{Header, Left, Output, Recording, Seam, Trailer};
    use crate::decode::Sample;

    fn header(pid: u32, seam: Option<Seam>) -> Header {
        Header {
            daemon: crate::capture::Daemon {
                pid,
                ..Default::default()
            },
            seam,
            ..Header::default()
        }
    }

    fn seam() -> Seam {
        Seam {
            pid: 7,
            left: Left::Ended,
            left_ns: 5,
            attached_ns: 9,
            listened: Some(false),
            requests: 3,
        }
    }

    fn sample(at: u64) -> Sample {
        Sample {
            at,
            goid: 1,
            found: crate::decode::Found::Gone,
        }
    }

    /// A recording of two incarnations.
    fn two() -> Vec<u8> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("mobytrace-segments-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let output = Output::open(&path, false).expect("opened");
        let mut writer = output.begin(&header(7, None)).expect("begun");
        writer.sample(&sample(1)).expect("written");
        writer.finish(&Trailer::default()).expect("ended");
        writer.segment(&header(8, Some(seam()))).expect("begun");
        writer.sample(&sample(2)).expect("written");
        writer.sample(&sample(3)).expect("written");
        writer.finish(&Trailer::default()).expect("ended");
        let bytes = std::fs::read(&path).expect("bytes");
        std::fs::remove_file(path).expect("removed");
        bytes
    }

    #[test]
    fn a_segment_for_each_incarnation() {
        let bytes = two();
        let segments = Recording::segments(bytes.as_slice()).expect("segments");
        let [first, second] = segments.as_slice() else {
            panic!("{} segments", segments.len());
        };
        assert!(first.is_whole() && second.is_whole());
        assert_eq!((first.samples().len(), second.samples().len()), (1, 2));
        assert_eq!(first.header().seam, None);
        assert_eq!(second.header().seam, Some(seam()));
        assert_eq!(second.header().daemon.pid, 8);
    }

    #[test]
    fn a_cut_costs_nothing_before_it() {
        let bytes = two();
        let mut whole = 0;
        for len in 0..bytes.len() {
            let Ok(segments) = Recording::segments(&bytes[..len]) else {
                continue;
            };
            let seen: usize = segments.iter().map(|s| s.samples().len()).sum();
            assert!(seen >= whole, "{len}: {seen} of {whole}");
            whole = seen;
            let damaged = segments.iter().any(|s| !s.is_whole());
            // it may end behind a trailer only
            let behind_a_trailer = segments.iter().all(|s| s.trailer().is_some());
            assert!(damaged || behind_a_trailer, "{len}");
        }
        assert_eq!(whole, 3);
    }

    #[test]
    fn older_recordings_end_with_their_trailer() {
        let mut bytes = two();
        bytes[8..12].copy_from_slice(&5u32.to_le_bytes());
        let segments = Recording::segments(bytes.as_slice()).expect("segments");
        assert_eq!(segments.len(), 1);
        assert!(segments[0].is_whole());
    }
}
