//! The connection to the data plane: made again whenever it breaks, asked by many, answering the data plane's wants from the ledger.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use panel::wire::{Answer, Ask, Frame, LINE_BYTES_MAX, Reply, Want};
use store::Store;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

use crate::certificates::Certificates;
use crate::grants;

/// Questions on their way at most; more wait.
const ASKS_MAX: usize = 256;
/// Wants that the ledger works on at once; the data plane repeats the others.
const WANTS_MAX: usize = 256;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Pause between attempts to connect.
const RETRY: Duration = Duration::from_millis(200);

/// The data plane cannot be asked at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkDown;

impl std::fmt::Display for LinkDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the data plane does not answer")
    }
}

impl std::error::Error for LinkDown {}

/// A handle to the connection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Link {
    asks: mpsc::Sender<(Ask, oneshot::Sender<Answer>)>,
    connections: watch::Receiver<u64>,
}

impl Link {
    /// Connects as the controller and keeps connecting. With a store the data plane's wants are answered.
    pub fn start(socket: PathBuf, store: Store, certificates: Certificates) -> Link {
        let (asks, questions) = mpsc::channel(ASKS_MAX);
        let (count, connections) = watch::channel(0);
        tokio::spawn(keep(socket, (store, certificates), questions, count));
        Link { asks, connections }
    }

    /// Asks the data plane.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, LinkDown> {
        if !self.is_up() {
            return Err(LinkDown);
        }
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.asks.send((ask, answer)).await.map_err(|_| LinkDown)?;
            answered.await.map_err(|_| LinkDown)
        };
        tokio::time::timeout(ANSWER_MAX, asked).await.map_err(|_| LinkDown)?
    }

    /// True while a connection stands.
    pub fn is_up(&self) -> bool {
        *self.connections.borrow() % 2 == 1
    }

    /// Changes with every connection made (odd) and lost (even).
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.connections.clone()
    }
}

/// Asks one question over a connection of its own: what the command line needs.
pub async fn ask_once(socket: &Path, ask: Ask) -> io::Result<Answer> {
    let asked = async {
        let (read, mut write) = UnixStream::connect(socket).await?.into_split();
        send(&mut write, &Frame::Hello { role: "operator".into() }).await?;
        send(&mut write, &Frame::Ask { id: 1, ask }).await?;
        let mut lines = BufReader::new(read);
        loop {
            match receive(&mut lines).await? {
                Some(Frame::Answer { id: 1, answer }) => return Ok(answer),
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    };
    tokio::time::timeout(ANSWER_MAX, asked).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// What answers the data plane: the ledger, and who fetches certificates.
type Answering = (Store, Certificates);

type Questions = mpsc::Receiver<(Ask, oneshot::Sender<Answer>)>;

async fn keep(socket: PathBuf, answering: Answering, mut questions: Questions, count: watch::Sender<u64>) {
    let mut complained = false;
    while !count.is_closed() {
        match UnixStream::connect(&socket).await {
            Ok(stream) => {
                complained = false;
                tracing::info!("connected to the data plane");
                count.send_modify(|count| *count += 1);
                let ended = serve(stream, &answering, &mut questions).await;
                count.send_modify(|count| *count += 1);
                match ended {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "the connection to the data plane is lost"),
                }
                // Nobody will answer what was asked meanwhile.
                while questions.try_recv().is_ok() {}
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(%error, socket = %socket.display(), "the data plane is not there yet");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Serves one connection until it breaks; `Ok` when nobody holds the link any more.
async fn serve(stream: UnixStream, (store, certificates): &Answering, questions: &mut Questions) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    send(&mut write, &Frame::Hello { role: "controller".into() }).await?;
    let (heard, mut frames) = mpsc::channel(ASKS_MAX);
    let listener = tokio::spawn(listen(read, heard));
    let (reply, mut replies) = mpsc::channel::<Reply>(WANTS_MAX);
    let (told, mut tell) = mpsc::channel(ASKS_MAX);
    let wants = Wants { store: store.clone(), reply, busy: Arc::default() };
    let mut waiting: HashMap<u64, oneshot::Sender<Answer>> = HashMap::new();
    let mut next_id = 0;
    let outcome = loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(Ok(Frame::Answer { id, answer })) => {
                    // Whoever asked may have given up.
                    let _ = waiting.remove(&id).map(|asker| asker.send(answer));
                }
                Some(Ok(Frame::Want(want))) => wants.take(want),
                Some(Ok(Frame::Fetch { x5u })) => certificates.fetch(x5u, told.clone()),
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(error),
                None => break Err(io::ErrorKind::UnexpectedEof.into()),
            },
            question = questions.recv() => {
                let Some((ask, asker)) = question else { break Ok(()) };
                next_id += 1;
                waiting.retain(|_, asker| !asker.is_closed());
                waiting.insert(next_id, asker);
                if let Err(error) = send(&mut write, &Frame::Ask { id: next_id, ask }).await {
                    break Err(error);
                }
            }
            Some(certificate) = tell.recv() => {
                if let Err(error) = send(&mut write, &Frame::Certificate(certificate)).await {
                    break Err(error);
                }
            }
            Some(reply) = replies.recv() => {
                if let Err(error) = send(&mut write, &Frame::Reply(reply)).await {
                    break Err(error);
                }
            }
        }
    };
    listener.abort();
    outcome
}

async fn listen(read: OwnedReadHalf, heard: mpsc::Sender<io::Result<Frame>>) {
    let mut lines = BufReader::new(read);
    loop {
        let frame = match receive(&mut lines).await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let last = frame.is_err();
        if heard.send(frame).await.is_err() || last {
            return;
        }
    }
}

/// Wants that the ledger is working on.
struct Wants {
    store: Store,
    reply: mpsc::Sender<Reply>,
    busy: Arc<Mutex<BTreeSet<String>>>,
}

impl Wants {
    /// Works on a want beside the others. The same want again while it is worked on is its repetition and needs no work.
    fn take(&self, want: Want) {
        let key = match &want {
            Want::Grant { grant, .. } => format!("grant {grant}"),
            Want::Close { grant, .. } => format!("close {grant}"),
        };
        let mut busy = self.busy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if busy.len() >= WANTS_MAX || !busy.insert(key.clone()) {
            return;
        }
        drop(busy);
        let (store, reply, set) = (self.store.clone(), self.reply.clone(), Arc::clone(&self.busy));
        tokio::spawn(async move {
            let answer = grants::answer(&store, &want).await;
            set.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&key);
            if let Some(answer) = answer {
                // A connection that has gone took its data plane along, which will ask again.
                let _ = reply.send(answer).await;
            }
        });
    }
}

async fn send(write: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// The next frame; `None` at the end. A line that is too long or no frame ends the connection.
async fn receive(lines: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Frame>> {
    let mut line = Vec::new();
    let length = (&mut *lines).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).await?;
    if length == 0 {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).map_err(io::Error::from)
}
