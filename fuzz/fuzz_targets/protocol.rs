//! No bytes on the socket make the executor's reader or decoder panic, and a request that is understood says the same
//! when it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pot_console::executor::frame;
use pot_console::executor::permissions::{name, permission};
use pot_console::executor::protocol::{MAX_REQUEST, Request};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = bytes;
    while let Ok(Some(message)) = frame::read(&mut reader, MAX_REQUEST) {
        let Ok(request) = frame::decode::<Request>(&message) else { continue };
        let _ = (permission(&request.command), name(&request.command));
        let again = frame::encode(&request).expect("what was read can be written");
        let read = frame::decode::<Request>(&again).expect("what was written can be read");
        assert_eq!(frame::encode(&read).expect("and written again"), again);
    }
});
