//! What changes a run from outside: keys, signals, and the control port.

use std::net::UdpSocket;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

/// Characters of an order that is not known, of which we tell.
const UNKNOWN_MAX: usize = 200;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// So many calls a second more, or users.
    Faster(i32),
    /// So many calls a period.
    Rate(f64),
    /// So many calls a second for each step of the keys.
    Scale(f64),
    /// So many users.
    Users(u64),
    /// So many calls at a time at most.
    Limit(u64),
    /// Stands, or goes on.
    Pause,
    /// Ends when the calls have ended; asked twice, at once.
    Quit,
    /// Ends at once.
    QuitNow,
    /// Writes the screens.
    Screen,
    /// Shows this screen: 1 the steps, 2 the counters, 3 how long it took, 4 the variables that calls share.
    Show(u8),
    /// From now on messages, short messages, errors or logs are written down, or not.
    Trace(String, bool),
    /// A command is being typed, so far; none any more.
    Typing(Option<String>),
    /// Nothing that is known here.
    Unknown(String),
}

/// Where orders come from.
pub struct Orders {
    /// For who gives orders.
    pub give: Sender<Order>,
    heard: Receiver<Order>,
}

impl Orders {
    /// Nobody gives any yet.
    pub fn new() -> Orders {
        let (give, heard) = mpsc::channel();
        Orders { give, heard }
    }

    /// The next one.
    pub fn next(&self) -> Option<Order> {
        self.heard.try_recv().ok()
    }
}

/// What one character means, typed or sent.
fn key(character: char) -> Option<Order> {
    Some(match character {
        '+' => Order::Faster(1),
        '-' => Order::Faster(-1),
        '*' => Order::Faster(10),
        '/' => Order::Faster(-10),
        'p' => Order::Pause,
        'q' => Order::Quit,
        'Q' => Order::QuitNow,
        's' => Order::Screen,
        '1'..='4' => Order::Show(character as u8 - b'0'),
        // The third screen has the tables of all response times, which SIPp spreads over these.
        '6'..='9' => Order::Show(3),
        _ => return None,
    })
}

/// What a datagram to the control port asks for: keys, or `c` and `set rate 10`. What is no order is handed on to be told.
pub fn read(text: &str) -> Vec<Order> {
    let text = text.trim();
    let unknown = || Order::Unknown(text.chars().take(UNKNOWN_MAX).collect());
    let Some(words) = text.strip_prefix('c') else {
        let orders: Option<Vec<Order>> = text.chars().map(key).collect();
        return orders.unwrap_or_else(|| vec![unknown()]);
    };
    let words: Vec<&str> = words.split_whitespace().collect();
    let rate = |text: &str| text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
    let order = match words[..] {
        ["set", "rate", text] => rate(text).map(Order::Rate),
        ["set", "rate-scale", text] => rate(text).map(Order::Scale),
        ["set", "users", users] => users.parse().ok().map(Order::Users),
        ["set", "limit", limit] => limit.parse().ok().map(Order::Limit),
        ["trace", "screen"] => Some(Order::Screen),
        ["trace", what @ ("error" | "logs" | "messages" | "shortmessages"), how] => match how {
            "on" | "true" => Some(Order::Trace(what.to_owned(), true)),
            "off" | "false" => Some(Order::Trace(what.to_owned(), false)),
            _ => None,
        },
        _ => None,
    };
    vec![order.unwrap_or_else(unknown)]
}

/// Listens to the control port from another thread.
pub fn listen(socket: UdpSocket, orders: Sender<Order>) {
    thread::spawn(move || {
        let mut buffer = [0; 1_024];
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            for order in read(&String::from_utf8_lossy(&buffer[..length])) {
                if orders.send(order).is_err() {
                    return;
                }
            }
        }
    });
}

/// What a key asks for. After `c` keys are a command, such as `set rate 10`, up to Enter; Escape forgets it.
fn typed(code: KeyCode, typing: &mut Option<String>) -> Vec<Order> {
    match (typing.as_mut(), code) {
        (None, KeyCode::Char('c')) => *typing = Some(String::new()),
        (None, KeyCode::Char(character)) => return key(character).into_iter().collect(),
        (Some(text), KeyCode::Char(character)) if text.len() < UNKNOWN_MAX => text.push(character),
        (Some(text), KeyCode::Backspace) => drop(text.pop()),
        (Some(_), KeyCode::Esc) => *typing = None,
        (Some(text), KeyCode::Enter) => {
            let orders = if text.trim().is_empty() { Vec::new() } else { read(&format!("c{text}")) };
            *typing = None;
            return [vec![Order::Typing(None)], orders].concat();
        }
        _ => return Vec::new(),
    }
    vec![Order::Typing(typing.clone())]
}

/// Reads keys from another thread; the terminal gives each at once.
pub fn keys(orders: Sender<Order>) {
    thread::spawn(move || {
        let mut typing = None;
        while let Ok(event) = event::read() {
            let Event::Key(pressed) = event else { continue };
            if pressed.kind != KeyEventKind::Press {
                continue;
            }
            let interrupt = pressed.modifiers.contains(KeyModifiers::CONTROL) && pressed.code == KeyCode::Char('c');
            let asked = if interrupt { vec![Order::Quit] } else { typed(pressed.code, &mut typing) };
            for order in asked {
                if orders.send(order).is_err() {
                    return;
                }
            }
        }
    });
}

/// Hears signals from another thread: USR1 ends the run softly, as do INT and TERM; USR2 writes the screens. Returns when it hears them: one
/// that comes before would end the program.
pub fn signals(orders: Sender<Order>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (hears, begun) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let [mut interrupt, mut terminate, mut soft, mut screen] = [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
            ];
            drop(hears);
            loop {
                let order = tokio::select! {
                    _ = interrupt.recv() => Order::Quit,
                    _ = terminate.recv() => Order::QuitNow,
                    _ = soft.recv() => Order::Quit,
                    _ = screen.recv() => Order::Screen,
                };
                if orders.send(order).is_err() {
                    return std::io::Result::Ok(());
                }
            }
        })
    });
    // Nothing is said: the line closes, also where signals cannot be heard.
    let _: Result<(), _> = begun.recv();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_port_takes_keys_and_commands() {
        assert_eq!(read("p+*2q"), [Order::Pause, Order::Faster(1), Order::Faster(10), Order::Show(2), Order::Quit]);
        assert_eq!(read("cset rate 12.5\n"), [Order::Rate(12.5)]);
        assert_eq!((read("cset users 3"), read("cset rate-scale 5")), (vec![Order::Users(3)], vec![Order::Scale(5.0)]));
        let traced = |on| vec![Order::Trace("messages".to_owned(), on)];
        assert_eq!((read("ctrace messages on"), read("ctrace messages off")), (traced(true), traced(false)));
        assert_eq!(
            (read("9"), read("4"), read("ctrace screen")),
            (vec![Order::Show(3)], vec![Order::Show(4)], vec![Order::Screen])
        );
        assert!(read("").is_empty());
        for text in ["ctrace messages maybe", "ctrace all on", "cset rate NaN", "cset rate -1", "cdo harm", "px"] {
            assert_eq!(read(text), [Order::Unknown(text.to_owned())]);
        }
    }

    #[test]
    fn after_c_keys_are_a_command() {
        let mut typing = None;
        let mut all = |text: &str| -> Vec<Order> {
            let code = |character| match character {
                '\n' => KeyCode::Enter,
                '<' => KeyCode::Backspace,
                '!' => KeyCode::Esc,
                character => KeyCode::Char(character),
            };
            let orders = text.chars().flat_map(|character| typed(code(character), &mut typing));
            orders.filter(|order| !matches!(order, Order::Typing(_))).collect()
        };
        assert_eq!(all("+cset rate 77<\n-"), [Order::Faster(1), Order::Rate(7.0), Order::Faster(-1)]);
        assert_eq!(all("cq!qc\nQ"), [Order::Quit, Order::QuitNow]);
        assert_eq!(all("cwaltz\n"), [Order::Unknown("cwaltz".to_owned())]);
    }
}
