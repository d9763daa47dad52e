//! Profiles: the options of a run in a TOML file, so that a load has a name and can be kept.
//!
//! Each key is an option without its dashes; an originator or a terminator may be a table of its own. What the command line says itself counts
//! instead of what the file says. What is no option is refused with its line, as everything is that a reader would otherwise believe to count.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cast;

/// The option that names the file.
const OPTION: &str = "profile";
/// A terminator has an address whatever else is said of it.
const SOMEWHERE: &str = "at=127.0.0.1:5060,";

static WORDS: OnceLock<Vec<String>> = OnceLock::new();

/// The program's words, with those of the profile among them once it was read.
pub fn words() -> Vec<String> {
    WORDS.get().cloned().unwrap_or_else(|| std::env::args().collect())
}

/// Reads the profile that the program's words name, if they name one, and gives the words that both make.
pub fn read(program: &Command) -> Result<Vec<String>, String> {
    let words = expanded(std::env::args().collect(), program)?;
    Ok(WORDS.get_or_init(|| words).clone())
}

/// The program, its verb, what the file says, and what the command line says itself.
fn expanded(said: Vec<String>, program: &Command) -> Result<Vec<String>, String> {
    let verb = said.get(1).and_then(|verb| program.find_subcommand(verb));
    let verb = verb.filter(|verb| option(verb, OPTION).is_some());
    let (Some(verb), (Some(path), own)) = (verb, named(&said)) else { return Ok(said) };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = File { path: &path, text: &text };
    let mut words = said[..2].to_vec();
    words.extend(file.words(verb, &own)?);
    words.extend(own);
    Ok(words)
}

/// The file that is named, and the words behind the verb without it.
fn named(said: &[String]) -> (Option<PathBuf>, Vec<String>) {
    let (mut path, mut own, mut words) = (None, Vec::new(), said.iter().skip(2));
    while let Some(word) = words.next() {
        match word.strip_prefix("--").and_then(|word| word.strip_prefix(OPTION)) {
            Some("") => path = words.next().map(PathBuf::from),
            Some(rest) if rest.starts_with('=') => path = Some(PathBuf::from(&rest[1..])),
            _ => own.push(word.clone()),
        }
    }
    (path, own)
}

/// The option of this name or other name.
fn option<'a>(verb: &'a Command, name: &str) -> Option<&'a Arg> {
    let other = |arg: &Arg| arg.get_all_aliases().is_some_and(|names| names.contains(&name));
    verb.get_arguments().find(|arg| arg.get_long() == Some(name) || other(arg))
}

/// A profile.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// What it says of a verb's options, without those that the command line has.
    fn words(&self, verb: &Command, own: &[String]) -> Result<Vec<String>, String> {
        let table = DeTable::parse(self.text)
            .map_err(|error| self.flaw(error.span().map_or(0, |span| span.start), error.message()))?;
        let mut words = Vec::new();
        for (key, value) in table.get_ref() {
            let name = key.get_ref().replace('_', "-");
            let known = option(verb, &name).filter(|_| name != OPTION);
            let Some(arg) = known else {
                return Err(self.flaw(key.span().start, &format!("{} has no option '{name}'", verb.get_name())));
            };
            let mut said = own.iter().filter_map(|word| word.strip_prefix("--")?.strip_prefix(name.as_str()));
            if !said.any(|rest| rest.is_empty() || rest.starts_with('=')) {
                self.say(&name, arg, value, &mut words)?;
            }
        }
        Ok(words)
    }

    /// An option's words; one for each value of a list.
    fn say(&self, name: &str, arg: &Arg, value: &Spanned<DeValue<'_>>, words: &mut Vec<String>) -> Result<(), String> {
        let flag = matches!(arg.get_action(), ArgAction::SetTrue);
        match value.get_ref() {
            DeValue::Boolean(wished) if flag => words.extend(wished.then(|| format!("--{name}"))),
            _ if flag => return Err(self.flaw(value.span().start, "want true or false")),
            DeValue::Array(all) => all.iter().try_for_each(|one| self.say(name, arg, one, words))?,
            DeValue::Table(pairs) => words.push(format!("--{name}={}", self.pairs(name, pairs, value.span().start)?)),
            _ => words.push(format!("--{name}={}", self.plain(value)?)),
        }
        Ok(())
    }

    /// A table as the line of `key=value` that an originator or a terminator is on the command line.
    fn pairs(&self, name: &str, table: &DeTable<'_>, at: usize) -> Result<String, String> {
        let check = |pair: &str| match name {
            "originator" => cast::originator(pair).map(drop),
            "terminator" => cast::terminator(&format!("{SOMEWHERE}{pair}")).map(drop),
            _ => Err(format!("'{name}' is a value, not a table")),
        };
        let mut pairs = Vec::new();
        for (key, value) in table {
            let said = match value.get_ref() {
                DeValue::Boolean(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
                _ => self.plain(value)?,
            };
            let pair = format!("{}={said}", key.get_ref());
            check(&pair).map_err(|flaw| self.flaw(key.span().start, &flaw))?;
            pairs.push((key.span().start, pair));
        }
        if pairs.is_empty() {
            return Err(self.flaw(at, "a table without anything in it"));
        }
        // What is said after a manner overrides it: the order of the file counts.
        pairs.sort();
        Ok(pairs.into_iter().map(|(_, pair)| pair).collect::<Vec<_>>().join(","))
    }

    fn plain(&self, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref().to_owned()),
            DeValue::Integer(number) => Ok(number.to_string()),
            DeValue::Float(number) => Ok(number.to_string()),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Err(self.flaw(value.span().start, "want a text or a number"))
            }
        }
    }

    /// What is wrong at this byte.
    fn flaw(&self, at: usize, what: &str) -> String {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}: {what}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::load::Load;

    #[derive(Parser)]
    #[command(name = "lt")]
    enum Program {
        Run {
            #[command(flatten)]
            _load: Box<Load>,
            #[arg(long)]
            live_json: bool,
        },
        Lint,
    }

    fn made(text: &str, own: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("load.toml");
        std::fs::write(&path, text).expect("a profile");
        let said = ["lt", "run", "--profile", path.to_str().expect("a name")];
        let said = said.iter().chain(own).map(|word| (*word).to_owned()).collect();
        let words = expanded(said, &Program::command()).map_err(|flaw| {
            let begin = flaw.find("load.toml").unwrap_or(0);
            flaw[begin..].to_owned()
        })?;
        assert!(Program::try_parse_from(&words).is_ok(), "{words:?}");
        Ok(words[2..].to_vec())
    }

    #[test]
    fn a_profile_says_what_the_command_line_does_not() {
        let text = "target = \"127.0.0.1:5060\"\nthreads = 2\ncalls_max = 1_000\nlive-json = true\ncaller-releases = \"50%\"\n\n\
                    [[terminator]]\nmanner = \"wholesale\"\nat = \"127.0.2.1:5060\"\nbusy = \"5%\"\n\n\
                    [[terminator]]\nat = \"127.0.2.2:5060\"\ntrying = false\n";
        let words = made(text, &["--threads", "3", "--media=full"]).expect("words");
        let both =
            ["--terminator=manner=wholesale,at=127.0.2.1:5060,busy=5%", "--terminator=at=127.0.2.2:5060,trying=no"];
        let told = ["--caller-releases=50%", "--calls-max=1000", "--live-json", "--target=127.0.0.1:5060"];
        assert_eq!(words, [&told[..], &both, &["--threads", "3", "--media=full"]].concat());
        let other = made(text, &["--terminator=at=127.0.2.3:5060"]).expect("words");
        assert_eq!(other.iter().filter(|word| word.starts_with("--terminator")).count(), 1);
        let quiet = made("target = \"127.0.0.1:5060\"\nlive-json = false\n", &[]);
        assert_eq!(quiet, Ok(vec!["--target=127.0.0.1:5060".to_owned()]));
    }

    #[test]
    fn what_is_wrong_in_a_profile_is_told_with_its_line() {
        for (text, wanted) in [
            ("target = \"127.0.0.1:5060\"\n\ncolour = \"red\"\n", "load.toml:3: run has no option 'colour'"),
            ("profile = \"other.toml\"\n", "load.toml:1: run has no option 'profile'"),
            (
                "[[terminator]]\nat = \"127.0.0.1:5060\"\ncolour = \"red\"\n",
                "load.toml:3: a terminator has no 'colour'",
            ),
            ("[[originator]]\n\nfrom = \"here\"\n", "load.toml:3: 'here' is no IP address"),
            ("live-json = \"yes\"\n", "load.toml:1: want true or false"),
            ("threads = true\n", "load.toml:1: want a text or a number"),
            ("[threads]\nmany = 3\n", "load.toml:2: 'threads' is a value, not a table"),
            ("threads = 2\nthreads = 3\n", "load.toml:2: "),
            ("threads = \n", "load.toml:1: "),
        ] {
            let flaw = made(text, &[]).expect_err(text);
            assert!(flaw.starts_with(wanted), "{flaw} for {text}");
        }
    }

    #[test]
    fn verbs_without_profiles_are_left_alone() {
        let said: Vec<String> = ["lt", "lint", "--profile", "none"].map(String::from).into();
        assert_eq!(expanded(said.clone(), &Program::command()), Ok(said));
    }
}
