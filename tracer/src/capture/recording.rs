//! A recording as a whole, in memory.

use std::collections::BTreeMap;
use std::io::Read;

use super::reader::{Ending, Error, Event, Reader};
use super::{Completeness, Header, Trailer};
use crate::addr::ImageAddr;
use crate::decode::{Part, Sample};
use crate::plan::Plan;

/// A recording in memory.
#[derive(Debug)]
pub struct Recording {
    header: Header,
    parts: Vec<Part>,
    /// With the number of parts before each.
    samples: Vec<(usize, Sample)>,
    ending: Ending,
}

impl Recording {
    /// Reads a recording to its end or to where it is damaged.
    ///
    /// # Errors
    /// It is none, it is of a newer format, or not even its header is whole.
    pub fn read(input: impl Read) -> Result<Self, Error> {
        let mut reader = Reader::begin(input)?;
        let (mut parts, mut samples) = (Vec::new(), Vec::new());
        while let Some(event) = reader.next_event()? {
            match event {
                Event::Part(part) => parts.push(part),
                Event::Sample(sample) => samples.push((parts.len(), sample)),
            }
        }
        Ok(Self {
            header: reader.header().clone(),
            parts,
            samples,
            ending: reader.finish()?,
        })
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
