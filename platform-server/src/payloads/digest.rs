//! The hash of a file on its way in.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// Pieces that may wait to be hashed; each is held in memory meanwhile.
const WAITING: usize = 4;

/// SHA-256, computed where the pieces come from or, for long files, on a thread beside the one that writes them.
pub(super) enum Digest {
    Here(Sha256),
    Beside { pieces: SyncSender<Bytes>, thread: JoinHandle<Sha256> },
}

impl Digest {
    pub(super) fn new() -> Self {
        Self::Here(Sha256::new())
    }

    /// Goes on beside the caller; where there is no room for another thread, with the caller.
    pub(super) fn move_beside(&mut self) {
        let Self::Here(hash) = self else { return };
        let (pieces, waiting) = sync_channel::<Bytes>(WAITING);
        let mut begun = hash.clone();
        let work = move || {
            while let Ok(piece) = waiting.recv() {
                begun.update(&piece);
            }
            begun
        };
        if let Ok(thread) = std::thread::Builder::new().name("payload hash".to_owned()).spawn(work) {
            *self = Self::Beside { pieces, thread };
        }
    }

    /// Takes a piece in; waits while too many are waiting.
    pub(super) fn update(&mut self, piece: Bytes) {
        match self {
            Self::Here(hash) => hash.update(&piece),
            // Nobody listens only if the thread died, and then `finish` has no hash.
            Self::Beside { pieces, .. } => drop(pieces.send(piece)),
        }
    }

    /// The hash of all pieces; `None` if it could not be computed.
    pub(super) fn finish(self) -> Option<[u8; 32]> {
        let hash = match self {
            Self::Here(hash) => hash,
            Self::Beside { pieces, thread } => {
                drop(pieces);
                thread.join().ok()?
            }
        };
        Some(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_moves_beside_is_the_same() {
        let pieces: Vec<Bytes> = (0u8..50).map(|n| Bytes::from(vec![n; 1 + 997 * usize::from(n)])).collect();
        let all: Vec<u8> = pieces.iter().flatten().copied().collect();
        let expected: [u8; 32] = Sha256::digest(&all).into();
        for moves_at in [0, 7, 49, 99] {
            let mut digest = Digest::new();
            for (i, piece) in pieces.iter().enumerate() {
                if i == moves_at {
                    digest.move_beside();
                    digest.move_beside();
                }
                digest.update(piece.clone());
            }
            assert_eq!(digest.finish(), Some(expected), "moved at {moves_at}");
        }
    }
}
