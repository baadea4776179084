//! Empties the kernel's ring buffer on a thread of its own, into bounded memory: whatever the
//! session is busy with, and however long its output takes, that costs no record until the bound is
//! reached.
//!
//! At the bound nothing is dropped here. The ring buffer is left as it is: it fills, and the kernel
//! counts what finds no room and says so in every later record. So a loss is known in the same way,
//! at the same place, wherever it comes from.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use tokio::sync::Notify;

use crate::decode::{Part, RecordError};
use crate::probe::Ring;

/// Bytes that wait to be decoded, at most. At 200 requests a second with 4 KiB of records each that
/// is more than a minute.
pub(super) const MOST_WAITING: usize = 64 << 20;
/// The ring buffer is looked at this often even if the kernel says nothing.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A record as it left the ring buffer, or why it is none.
pub(super) type Taken = Result<Part, RecordError>;

/// The thread, and what it has taken.
pub(super) struct Drain {
    shared: Arc<Shared>,
    /// The ring buffer's descriptor: tells whether anything is in there.
    ring: OwnedFd,
    /// Becomes readable when the thread is to end.
    stop: OwnedFd,
    /// `None`: it has ended.
    thread: Option<JoinHandle<Ring>>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    most: usize,
    /// Something was taken out, or the end has come.
    room: Condvar,
    /// Something was put in.
    came: Notify,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<Taken>,
    bytes: usize,
    /// The thread takes records out of the ring buffer, and may have one in its hands.
    taking: bool,
    /// No bound counts any more: what is in the ring buffer is taken, and that is the end.
    ending: bool,
}

impl Shared {
    /// The queue is whole whatever happened to whoever held it.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record, when there is room. Gives whether the end has come.
    fn put(&self, record: Taken) -> bool {
        let full = |w: &mut Waiting| w.bytes >= self.most && !w.ending;
        let mut waiting = self
            .room
            .wait_while(self.lock(), full)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = waiting.bytes.saturating_add(size(&record));
        waiting.records.push_back(record);
        let ending = waiting.ending;
        drop(waiting);
        self.came.notify_one();
        ending
    }
}

/// Memory that a record takes.
fn size(record: &Taken) -> usize {
    let items = record.as_ref().map_or(0, |part| part.items.len());
    size_of::<Taken>() + items
}

impl Drain {
    /// Starts to empty the ring buffer; `most`: bytes that may wait.
    ///
    /// # Errors
    /// No descriptor or no thread can be had.
    pub(super) fn start(ring: Ring, most: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            most,
            room: Condvar::new(),
            came: Notify::new(),
        });
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let watched = ring.as_fd().try_clone_to_owned()?;
        let wake = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(0);
        // by edges: a record that is not whole yet must not keep the thread awake
        let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&wake, &ring, data, edges)?;
        epoll::add(&wake, &stop, data, epoll::EventFlags::IN)?;
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("drain".into())
            .spawn(move || empty(ring, &wake, &own))?;
        Ok(Self {
            shared,
            ring: watched,
            stop,
            thread: Some(thread),
        })
    }

    /// Waits until a record may be there.
    pub(super) async fn came(&self) {
        self.shared.came.notified().await;
    }

    /// Takes records out, in order: about `most` bytes of them.
    pub(super) fn take(&self, most: usize) -> Vec<Taken> {
        let mut waiting = self.shared.lock();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < most
            && let Some(record) = waiting.records.pop_front()
        {
            bytes += size(&record);
            taken.push(record);
        }
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        drop(waiting);
        self.shared.room.notify_one();
        taken
    }

    /// Whether nothing waits to be taken out.
    pub(super) fn is_empty(&self) -> bool {
        self.shared.lock().records.is_empty()
    }

    /// Whether everything that the kernel recorded up to now was taken out here.
    pub(super) fn is_up_to_date(&self) -> bool {
        // in the order that a record takes: what is past one place is looked for at the next
        let mut ring = [PollFd::new(&self.ring, PollFlags::IN)];
        let empty = poll(&mut ring, Some(&NOW)).is_ok_and(|readable| readable == 0);
        let waiting = self.shared.lock();
        empty && !waiting.taking && waiting.records.is_empty()
    }

    /// Takes what the ring buffer holds and ends. The ring buffer is given back: it must outlive
    /// the probes.
    pub(super) fn finish(&mut self) -> (Vec<Taken>, Option<Ring>) {
        self.shared.lock().ending = true;
        self.shared.room.notify_one();
        // an event descriptor takes eight bytes as long as its count is small
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        let ring = self.thread.take().and_then(|thread| thread.join().ok());
        let mut waiting = self.shared.lock();
        waiting.bytes = 0;
        (std::mem::take(&mut waiting.records).into(), ring)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The thread: until the end, takes what is there and waits for more.
fn empty(mut ring: Ring, wake: &OwnedFd, shared: &Shared) -> Ring {
    // at the end, not more than what may wait: a busy daemon makes more all the time
    let mut left = MOST_WAITING;
    loop {
        let mut ending = {
            let mut waiting = shared.lock();
            waiting.taking = true;
            waiting.ending
        };
        while left > 0
            && let Some(record) = ring.next_record()
        {
            let part = Part::from_ring(&record);
            drop(record);
            let size = size(&part);
            ending = shared.put(part);
            if ending {
                left = left.saturating_sub(size);
            }
        }
        shared.lock().taking = false;
        if ending {
            return ring;
        }
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }];
        // whatever woke it, it looks
        let _ = epoll::wait(wake, &mut events, Some(&LOOK));
    }
}
