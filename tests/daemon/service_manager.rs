//! What systemd hears.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::support::*;

fn hear(socket: &UnixDatagram, expected: &str) {
    let mut buffer = [0; 1024];
    loop {
        let length = socket.recv(&mut buffer).expect("nothing was said");
        let said = String::from_utf8_lossy(&buffer[..length]);
        if said.lines().any(|line| line == expected) {
            return;
        }
    }
}

#[test]
fn it_says_ready_reloading_stopping_and_that_it_lives() {
    let folder = Folder::new();
    let path = folder.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut command = folder.wabridge("run");
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let mut bridge = Bridge::spawn(&mut command);
    hear(&socket, "READY=1");
    hear(&socket, "WATCHDOG=1");
    hear(&socket, "WATCHDOG=1");
    bridge.signal(Signal::HUP);
    hear(&socket, "RELOADING=1");
    hear(&socket, "READY=1");
    bridge.signal(Signal::TERM);
    hear(&socket, "STOPPING=1");
    assert_eq!(bridge.exit().code(), Some(0));
}
