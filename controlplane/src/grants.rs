//! Answers the data plane's wants from the ledger.

use panel::wire::{Reply, Want};
use store::{Store, StoreError};
use units::{AccountId, GrantId, Money};

/// How often a want is tried when the database says "later", before the data plane's own repetition is waited for.
const TRIES: u32 = 3;

/// The ledger's answer; `None` when there is none yet: the data plane asks again until it has one.
pub(crate) async fn answer(store: &Store, want: &Want) -> Option<Reply> {
    let (Want::Grant { grant: text, .. } | Want::Close { grant: text, .. }) = want;
    let Some(id) = parse(text) else {
        tracing::error!(grant = text, "the data plane wants something for a grant whose id cannot be read");
        return None;
    };
    for _ in 0..TRIES {
        match once(store, id, want).await {
            Ok(reply) => return Some(reply),
            Err(error) if error.is_away() => tracing::debug!(%error, "the ledger cannot be reached"),
            Err(error) => {
                tracing::error!(%error, ?want, "the ledger refuses to answer");
                return impossible(want, &error);
            }
        }
    }
    tracing::warn!("the ledger is away; the data plane asks again");
    None
}

async fn once(store: &Store, id: GrantId, want: &Want) -> store::Result<Reply> {
    match want {
        Want::Grant { grant, account, want, slice } => {
            let ask = store::Ask { want: Money::from_nanos(*want), slice: Money::from_nanos(*slice) };
            let store::Answer { amount, cause } = store.grant(id, AccountId(*account), ask).await?;
            let cause = cause.map_or(0, |cause| cause.0);
            Ok(Reply::Granted { grant: grant.clone(), account: *account, amount: amount.nanos(), cause })
        }
        Want::Close { grant, account, used } => {
            store.close(id, AccountId(*account), Money::from_nanos(*used)).await?;
            Ok(Reply::Closed { grant: grant.clone() })
        }
    }
}

/// What an account that does not exist gets: no money, and nothing to give back.
fn impossible(want: &Want, error: &StoreError) -> Option<Reply> {
    match (want, error) {
        (Want::Grant { grant, account, .. }, StoreError::NotFound { .. }) => {
            Some(Reply::Granted { grant: grant.clone(), account: *account, amount: 0, cause: 0 })
        }
        (Want::Close { grant, .. }, StoreError::NotFound { .. }) => Some(Reply::Closed { grant: grant.clone() }),
        _ => None,
    }
}

fn parse(text: &str) -> Option<GrantId> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(GrantId::from_bytes(bytes))
}
