//! One connection: lines in, lines out, each side on its own task.

use panel::wire::{Frame, LINE_BYTES_MAX};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Answers that may wait for a slow reader.
const ANSWERS_MAX: usize = 256;

/// Something came in on a connection.
pub struct Arrival {
    /// On which.
    pub connection: u64,
    /// What.
    pub heard: Heard,
}

/// What came in.
pub enum Heard {
    /// A line.
    Frame(Frame),
    /// A line that is none, and why.
    Garbage(String),
    /// The end.
    Gone,
}

/// Serves a connection; what is sent to the result goes out. Dropping it ends the connection.
pub fn serve(connection: u64, stream: UnixStream, heard: mpsc::Sender<Arrival>) -> mpsc::Sender<Frame> {
    let (read, write) = stream.into_split();
    let (out, frames) = mpsc::channel(ANSWERS_MAX);
    let writer = tokio::spawn(write_frames(write, frames));
    tokio::spawn(async move {
        let mut writer = writer;
        tokio::select! {
            () = read_frames(connection, read, &heard) => {}
            _ = &mut writer => {}
        }
        writer.abort();
        let _ = heard.send(Arrival { connection, heard: Heard::Gone }).await;
    });
    out
}

async fn read_frames(connection: u64, read: OwnedReadHalf, heard: &mpsc::Sender<Arrival>) {
    let mut reader = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limited = (&mut reader).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).await;
        let (said, go_on) = match limited {
            Ok(0) | Err(_) => return,
            Ok(_) if line.len() > LINE_BYTES_MAX => (Heard::Garbage("the line is too long".to_owned()), false),
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(frame) => (Heard::Frame(frame), true),
                Err(error) => (Heard::Garbage(format!("not a frame: {error}")), true),
            },
        };
        if heard.send(Arrival { connection, heard: said }).await.is_err() || !go_on {
            return;
        }
    }
}

async fn write_frames(mut write: OwnedWriteHalf, mut frames: mpsc::Receiver<Frame>) {
    while let Some(frame) = frames.recv().await {
        let Ok(mut line) = serde_json::to_vec(&frame) else { continue };
        line.push(b'\n');
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}
