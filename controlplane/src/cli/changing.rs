//! Which words change something: those must not choose among nodes. A further verb has to say what it does, or it does not compile.

use super::{
    Noun, Place, accounts, calls, db, deck, invoices, jobs, journal, keys, node, recordings, rerate, revision, search,
    stats, users, webhooks,
};

impl Noun {
    /// Where these words change something; `None`: they only look, or need no node to choose.
    pub(super) fn changes(&mut self) -> Option<&mut Place> {
        match self {
            Noun::Apply(arguments) => (!arguments.dry_run).then_some(&mut arguments.place),
            Noun::Accounts(verb) => accounts(verb),
            Noun::Calls(verb) => calls(verb),
            Noun::Journal(verb) => journal(verb),
            Noun::Db(verb) => match verb {
                db::Verb::Migrate(migrate) => migrate.changes(),
                db::Verb::Restore(restore) => Some(&mut restore.place),
                db::Verb::Backup(_) | db::Verb::Verify(_) => None,
            },
            Noun::Deck(verb) => deck(verb),
            Noun::Invoices(verb) => invoices(verb),
            Noun::Rerate(verb) => rerate(verb),
            Noun::Jobs(verb) => match verb {
                jobs::Verb::Cancel(act) | jobs::Verb::Retry(act) => Some(&mut act.place),
                jobs::Verb::List(_) | jobs::Verb::Show(_) => None,
            },
            Noun::Keys(verb) => keys(verb),
            Noun::Node(verb) => node(verb),
            Noun::Recordings(verb) => match verb {
                recordings::Verb::Rm { place, .. } => Some(place),
                recordings::Verb::Ls { .. } | recordings::Verb::Get { .. } => None,
            },
            Noun::Search(verb) => match verb {
                search::Verb::Fill { place, .. } => Some(place),
                search::Verb::Status { .. } => None,
            },
            Noun::Stats(verb) => match verb {
                stats::Verb::Recount(recount) => Some(&mut recount.place),
                stats::Verb::Show(_) => None,
            },
            Noun::Users(verb) => match verb {
                users::Verb::SecondFactorOff { place, .. } => Some(place),
                users::Verb::List(_) => None,
            },
            Noun::Webhooks(verb) => match verb {
                webhooks::Verb::Replay { place, .. } => Some(place),
                webhooks::Verb::List(_) | webhooks::Verb::Deliveries { .. } => None,
            },
            Noun::Revision(verb) => match verb {
                revision::Verb::Restore { place, .. } => Some(place),
                revision::Verb::List(_) => None,
            },
            Noun::Up(_)
            | Noun::Alarms(_)
            | Noun::Demo(_)
            // Its folder is always named.
            | Noun::Balancer(_)
            | Noun::Cdr(_)
            | Noun::Carriers(_)
            | Noun::Files { .. }
            | Noun::Limits(_)
            | Noun::Plans(_)
            | Noun::Route(_)
            | Noun::Standings { .. }
            | Noun::Top(_)
            | Noun::Trace(_)
            | Noun::Doctor(_)
            | Noun::Trunks(_)
            | Noun::Replay(_)
            | Noun::Whatif(_)
            | Noun::Completions { .. }
            | Noun::Man { .. }
            | Noun::External(_) => None,
        }
    }
}

fn accounts(verb: &mut accounts::Verb) -> Option<&mut Place> {
    match verb {
        accounts::Verb::Pay { place, .. }
        | accounts::Verb::NoticeSecret { place, .. }
        | accounts::Verb::Replay { place, .. } => Some(place),
        accounts::Verb::List(_)
        | accounts::Verb::Entries { .. }
        | accounts::Verb::Tries { .. }
        | accounts::Verb::Notices { .. } => None,
    }
}

fn calls(verb: &mut calls::Verb) -> Option<&mut Place> {
    match verb {
        calls::Verb::Capture { place, .. } | calls::Verb::Record { place, .. } | calls::Verb::Release { place, .. } => {
            Some(place)
        }
        calls::Verb::List { .. } | calls::Verb::Show { .. } => None,
    }
}

fn invoices(verb: &mut invoices::Verb) -> Option<&mut Place> {
    match verb {
        invoices::Verb::Make { place, .. } | invoices::Verb::Void { place, .. } => Some(place),
        invoices::Verb::List { .. } | invoices::Verb::Get { .. } => None,
    }
}

fn rerate(verb: &mut rerate::Verb) -> Option<&mut Place> {
    match verb {
        rerate::Verb::Report(report) => Some(&mut report.place),
        rerate::Verb::Book { place, .. } | rerate::Verb::Undo { place, .. } => Some(place),
        rerate::Verb::List { .. } | rerate::Verb::Show { .. } => None,
    }
}

fn journal(verb: &mut journal::Verb) -> Option<&mut Place> {
    match verb {
        journal::Verb::Replay(arguments) => arguments.changes(),
        journal::Verb::Ls(_) | journal::Verb::Cat(_) | journal::Verb::Verify(_) => None,
    }
}

fn keys(verb: &mut keys::Verb) -> Option<&mut Place> {
    match verb {
        keys::Verb::Create(create) => Some(&mut create.place),
        keys::Verb::Only { place, .. } | keys::Verb::Delete { place, .. } => Some(place),
        keys::Verb::List(_) => None,
    }
}

fn deck(verb: &mut deck::Verb) -> Option<&mut Place> {
    match verb {
        deck::Verb::Import(import) => import.changes(),
        deck::Verb::Approve(approve) => Some(&mut approve.place),
        deck::Verb::Reject { place, .. } | deck::Verb::Restore { place, .. } => Some(place),
        deck::Verb::List(_) | deck::Verb::Export(_) | deck::Verb::Revisions { .. } => None,
    }
}

fn node(verb: &mut node::Verb) -> Option<&mut Place> {
    match verb {
        node::Verb::Drain { place, .. } | node::Verb::WriteOff { place, .. } | node::Verb::Admit { place, .. } => {
            Some(place)
        }
        node::Verb::Status { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn words_that_change_something_are_told_from_those_that_look() {
        let rows = [
            ("calls list", false),
            ("calls release 0001", true),
            ("apply -f x.yaml", true),
            ("apply -f x.yaml --dry-run", false),
            ("deck import x.csv --deck d", false),
            ("deck import x.csv --deck d --apply", true),
            ("db migrate --plan", false),
            ("db migrate", true),
            ("db restore x", true),
            ("journal replay", false),
            ("journal replay --write", true),
            ("jobs show 1", false),
            ("jobs cancel 1", true),
            ("keys list", false),
            ("keys only ci --from 192.0.2.7", true),
            ("node drain", true),
            ("node status", false),
            ("accounts pay a 1 --reference r", true),
            ("revision restore 7", true),
            ("revision list", false),
            ("webhooks replay noc e", true),
            ("invoices make acme --month 2026-10", true),
            ("invoices get 7 --format pdf", false),
            ("rerate report acme --month 2026-10 --why wrong", true),
            ("rerate show 7", false),
            ("rerate book 7", true),
            ("users list", false),
            ("users second-factor-off anna", true),
        ];
        for (words, wanted) in rows {
            let mut cli = Cli::parse_from(std::iter::once("tandem").chain(words.split(' ')));
            assert_eq!(cli.noun.changes().is_some(), wanted, "{words}");
        }
    }
}
