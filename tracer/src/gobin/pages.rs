//! Keeps little of a mapped file in memory: passes over much of it say when they have moved on.

use std::fmt;

/// Bytes of one pass between two such words.
const CHUNK: usize = 4 << 20;

/// Whoever mapped the file, if it wants to know.
#[derive(Default)]
pub struct Pages<'data>(Option<Box<dyn Fn() + 'data>>);

impl fmt::Debug for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages(released: {})", self.0.is_some())
    }
}

impl<'data> Pages<'data> {
    pub fn new(release: Box<dyn Fn() + 'data>) -> Self {
        Self(Some(release))
    }

    /// Most of what was read up to now is not needed soon.
    pub fn moved_on(&self) {
        if let Some(release) = &self.0 {
            release();
        }
    }

    /// The bytes piece by piece, each with `overlap` bytes of the next one, and where it begins;
    /// read once, front to back.
    pub fn pieces<'b>(
        &'b self,
        bytes: &'b [u8],
        overlap: usize,
    ) -> impl Iterator<Item = (usize, &'b [u8])> {
        (0..bytes.len()).step_by(CHUNK).map(move |from| {
            if from > 0 {
                self.moved_on();
            }
            let rest = bytes.get(from..).unwrap_or_default();
            (from, rest.get(..CHUNK + overlap).unwrap_or(rest))
        })
    }

    /// Where a pattern, which does not overlap itself, occurs.
    pub fn occurrences<'b>(
        &'b self,
        bytes: &'b [u8],
        pattern: &'b [u8],
    ) -> impl Iterator<Item = usize> + 'b {
        let overlap = pattern.len().saturating_sub(1);
        self.pieces(bytes, overlap).flat_map(move |(from, piece)| {
            memchr::memmem::find_iter(piece, pattern).map(move |at| from + at)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn patterns_on_the_border_of_two_pieces_are_found_once() {
        let passes = Cell::new(0);
        let pages = Pages::new(Box::new(|| passes.set(passes.get() + 1)));
        let mut bytes = vec![0u8; 2 * CHUNK + 10];
        let places = [0, CHUNK - 2, CHUNK + 5, 2 * CHUNK - 3, 2 * CHUNK + 7];
        for at in places {
            bytes.splice(at..at + 3, *b"abc");
        }
        assert_eq!(
            pages.occurrences(&bytes, b"abc").collect::<Vec<_>>(),
            places
        );
        assert_eq!(passes.get(), 2);
        assert_eq!(pages.occurrences(&[], b"abc").count(), 0);
        assert_eq!(Pages::default().occurrences(&bytes, b"abc").count(), 5);
    }
}
