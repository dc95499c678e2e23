//! Frames on the socket between the two processes: a 4-byte big-endian length and that many bytes of JSON.
//!
//! Nothing that arrives makes the decoder panic or reserve much more memory than arrived: the length is checked against
//! a limit first and the buffer grows with the bytes. JSON that nests deeper than serde_json's limit is an error.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};

/// Room that a frame's bytes have before they arrive; it grows with what arrives beyond.
const AT_ONCE: usize = 16 << 10;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer closed the socket between two frames, or the socket failed.
    #[error("the socket between the processes failed: {0}")]
    Socket(#[from] io::Error),
    /// The peer closed the socket inside a frame.
    #[error("the message ended after {got} of {announced} bytes")]
    Half {
        /// Bytes that arrived.
        got: usize,
        /// Bytes that were announced.
        announced: usize,
    },
    /// Longer than this direction allows.
    #[error("a message of {announced} bytes is longer than the limit of {limit} bytes")]
    TooLong {
        /// Bytes that were announced.
        announced: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// The bytes are not a message of this protocol.
    #[error("not a message of this protocol: {0}")]
    Malformed(String),
}

/// Reads one frame's bytes; `None` when the peer closed the socket before it.
///
/// # Errors
/// [`FrameError::TooLong`] above `limit` bytes, [`FrameError::Half`] when the peer closes inside the frame.
pub fn read(socket: &mut impl Read, limit: usize) -> Result<Option<Vec<u8>>, FrameError> {
    let mut header = [0; 4];
    let got = read_up_to(socket, &mut header)?;
    if got == 0 {
        return Ok(None);
    }
    if got < header.len() {
        return Err(FrameError::Half { got, announced: header.len() });
    }
    let announced = announced_length(header, limit)?;
    let mut bytes = Vec::with_capacity(announced.min(AT_ONCE));
    let got = socket.take(announced as u64).read_to_end(&mut bytes)?;
    if got < announced { Err(FrameError::Half { got, announced }) } else { Ok(Some(bytes)) }
}

/// The length that a header announces.
///
/// # Errors
/// [`FrameError::TooLong`] above `limit` bytes.
pub(crate) fn announced_length(header: [u8; 4], limit: usize) -> Result<usize, FrameError> {
    let announced = u32::from_be_bytes(header) as usize;
    if announced > limit { Err(FrameError::TooLong { announced, limit }) } else { Ok(announced) }
}

/// Writes one frame.
///
/// # Errors
/// [`FrameError::TooLong`] above `limit` bytes.
pub fn write(socket: &mut impl Write, bytes: &[u8], limit: usize) -> Result<(), FrameError> {
    socket.write_all(&with_header(bytes, limit)?)?;
    Ok(())
}

/// A frame's header and bytes in one piece, so that one system call sends it.
///
/// # Errors
/// [`FrameError::TooLong`] above `limit` bytes.
pub(crate) fn with_header(bytes: &[u8], limit: usize) -> Result<Vec<u8>, FrameError> {
    let too_long = FrameError::TooLong { announced: bytes.len(), limit };
    if bytes.len() > limit {
        return Err(too_long);
    }
    let Ok(length) = u32::try_from(bytes.len()) else { return Err(too_long) };
    let mut frame = Vec::with_capacity(bytes.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    Ok(frame)
}

/// A message as JSON bytes.
///
/// # Errors
/// [`FrameError::Malformed`] when the message cannot be written as JSON.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    serde_json::to_vec(message).map_err(|error| FrameError::Malformed(error.to_string()))
}

/// A message as a frame, written once: a large one is not copied behind its header.
///
/// # Errors
/// As [`encode`] and [`with_header`].
pub(crate) fn framed(message: &impl Serialize, limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message).map_err(|error| FrameError::Malformed(error.to_string()))?;
    let announced = frame.len() - 4;
    let length = u32::try_from(announced).ok().filter(|_| announced <= limit);
    let length = length.ok_or(FrameError::TooLong { announced, limit })?;
    if let Some(header) = frame.first_chunk_mut() {
        *header = length.to_be_bytes();
    }
    Ok(frame)
}

/// A message from JSON bytes.
///
/// # Errors
/// [`FrameError::Malformed`] for anything that is not exactly one message. The text names kind and place, never
/// the content: it may end up in the journal, and the content may hold a password.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "unreadable",
            serde_json::error::Category::Syntax => "no JSON",
            serde_json::error::Category::Data => "not one of the messages",
            serde_json::error::Category::Eof => "incomplete JSON",
        };
        FrameError::Malformed(format!("{kind}, at column {}", error.column()))
    })
}

fn read_up_to(socket: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match socket.read(rest) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::protocol::Request;
    use proptest::prelude::*;

    #[test]
    fn what_was_written_is_read_again() {
        let mut wire = Vec::new();
        write(&mut wire, b"one", 16).unwrap();
        write(&mut wire, b"", 16).unwrap();
        let mut reader = wire.as_slice();
        assert_eq!(read(&mut reader, 16).unwrap(), Some(b"one".to_vec()));
        assert_eq!(read(&mut reader, 16).unwrap(), Some(Vec::new()));
        assert_eq!(read(&mut reader, 16).unwrap(), None);
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_before_its_bytes_are_read() {
        assert!(matches!(read(&mut &[0xff, 0xff, 0xff, 0xff][..], 16), Err(FrameError::TooLong { limit: 16, .. })));
        assert!(matches!(write(&mut Vec::new(), &[0; 17], 16), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn half_a_frame_is_told_from_a_closed_socket() {
        assert!(matches!(read(&mut &[0, 0][..], 16), Err(FrameError::Half { got: 2, announced: 4 })));
        assert!(matches!(read(&mut &[0, 0, 0, 5, 1][..], 16), Err(FrameError::Half { got: 1, announced: 5 })));
    }

    #[test]
    fn an_error_about_a_message_never_repeats_its_content() {
        let error = decode::<Request>(br#"{"version":1,"password":"hunter2hunter2"}"#).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_message_framed_at_once_is_the_same_frame_and_has_the_same_limit() {
        let message = ["a", "b"];
        assert_eq!(framed(&message, 9).unwrap(), with_header(&encode(&message).unwrap(), 9).unwrap());
        assert!(matches!(framed(&message, 8), Err(FrameError::TooLong { announced: 9, limit: 8 })));
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        assert!(decode::<Request>("[".repeat(1 << 20).as_bytes()).is_err());
        assert!(decode::<serde_json::Value>("[".repeat(1 << 20).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_or_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut reader = bytes.as_slice();
            while let Ok(Some(frame)) = read(&mut reader, 256) {
                let _ = decode::<Request>(&frame);
            }
            let _ = decode::<Request>(&bytes);
        }
    }
}
