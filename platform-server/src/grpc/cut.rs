//! Cuts what is long into messages that clients take, and packs what is short.

use bytes::Bytes;
use prost::Message;

use super::MAX_SENT_BYTES;

/// What one message of a list, a log or a file should hold: large enough to be cheap, small enough to flow.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Most that a field's number and length add to a text or message in it.
const FIELD_BYTES: usize = 8;

/// Pieces of at most [`PIECE_BYTES`], at least one; they share the memory.
pub(super) fn pieces(mut data: Bytes) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    while data.len() > PIECE_BYTES {
        pieces.push(data.split_to(PIECE_BYTES));
    }
    pieces.push(data);
    pieces
}

/// Texts of at most `most` bytes that joined are the text, at least one. No character is cut, so `most` is at least 4.
pub(super) fn texts(text: &str, most: usize) -> Vec<&str> {
    let most = most.max(4);
    let mut texts = Vec::new();
    let mut rest = text;
    while rest.len() > most {
        let (head, tail) = rest.split_at(rest.floor_char_boundary(most));
        texts.push(head);
        rest = tail;
    }
    texts.push(rest);
    texts
}

/// Lines in groups of about [`PIECE_BYTES`]; a line that is longer is cut into several entries.
pub(super) fn lines(lines: Vec<String>) -> Vec<Vec<String>> {
    let entries = lines.into_iter().flat_map(|line| {
        if line.len() <= PIECE_BYTES {
            vec![line]
        } else {
            texts(&line, PIECE_BYTES).into_iter().map(str::to_owned).collect()
        }
    });
    groups(entries, String::len)
}

/// Messages in groups of about [`PIECE_BYTES`]. One that is larger is alone.
pub(super) fn messages<T: Message>(messages: impl IntoIterator<Item = T>) -> Vec<Vec<T>> {
    groups(messages, Message::encoded_len)
}

/// What a message that has `bytes` already can take besides; never less than a piece, so that cutting ends.
pub(super) fn room_beside(bytes: usize) -> usize {
    MAX_SENT_BYTES.saturating_sub(bytes + 64).max(64 << 10)
}

fn groups<T>(items: impl IntoIterator<Item = T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut groups = Vec::new();
    let (mut group, mut group_bytes) = (Vec::new(), 0);
    for item in items {
        let item_bytes = bytes(&item) + FIELD_BYTES;
        if !group.is_empty() && group_bytes + item_bytes > PIECE_BYTES + FIELD_BYTES {
            groups.push(std::mem::take(&mut group));
            group_bytes = 0;
        }
        group_bytes += item_bytes;
        group.push(item);
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use platform_api::proto::clara::{Identifier, JobsReadLogsResponse};

    use super::*;

    #[test]
    fn pieces_join_to_the_whole_and_an_empty_file_is_one_piece() {
        assert_eq!(pieces(Bytes::new()), [Bytes::new()]);
        let data: Bytes = (0..PIECE_BYTES * 2 + 7).map(|at| (at % 251) as u8).collect();
        let cut = pieces(data.clone());
        assert_eq!(cut.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE_BYTES, PIECE_BYTES, 7]);
        assert_eq!(cut.concat(), data);
        assert_eq!(pieces(data.slice(..PIECE_BYTES)).len(), 1);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(texts("", 4), [""]);
        assert_eq!(texts("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(texts("éééé", 5), ["éé", "éé"]);
        assert_eq!(texts("😀😀", 1), ["😀", "😀"]);
    }

    #[test]
    fn lines_stay_entries_and_every_message_can_be_taken() {
        let mut log: Vec<String> = (0..100_000).map(|number| format!("line {number}")).collect();
        log.insert(5, "ü".repeat(3 << 20));
        log.push(String::new());
        let groups = lines(log.clone());
        for group in &groups {
            let message = JobsReadLogsResponse { logs: group.clone(), ..Default::default() };
            assert!(message.encoded_len() <= MAX_SENT_BYTES);
        }
        let sent: Vec<String> = groups.concat();
        assert_eq!(sent.concat(), log.concat(), "nothing is lost or doubled");
        assert_eq!(sent[..5], log[..5]);
        let cut = sent.len() - log.len() + 1;
        assert!(sent[5..5 + cut].concat() == log[5] && cut > 1);
        assert_eq!(sent[5 + cut..], log[6..], "short lines are entries of their own");
        assert_eq!(lines(vec![]).len(), 0);
    }

    #[test]
    fn messages_are_packed_and_large_ones_are_alone() {
        let id = |bytes| Identifier { value: "x".repeat(bytes) };
        let groups = messages([id(10), id(10), id(PIECE_BYTES * 2), id(10)]);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(messages::<Identifier>([]).len(), 0);
    }
}
