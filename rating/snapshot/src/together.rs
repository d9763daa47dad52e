//! A main image and the images of its decks, put together: the one way to open what was published.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;

use units::DeckId;

use crate::flaw::ImageFlaw;
use crate::image::{Bytes, DeckImage, Wanted};
use crate::view::View;

/// One revision, checked. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    main: Bytes,
    decks: Arc<[DeckImage]>,
}

/// Why a revision cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal<E> {
    /// The main image is not sound.
    Main(ImageFlaw),
    /// The image of a deck was not found.
    Missing {
        /// Its code.
        code: String,
        /// Why.
        why: E,
    },
    /// What was found is the image of another deck or another version.
    Other {
        /// The deck's code.
        code: String,
        /// The deck.
        deck: DeckId,
    },
}

impl<E: fmt::Display> fmt::Display for Refusal<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Main(flaw) => write!(f, "{flaw}"),
            Refusal::Missing { code, why } => write!(f, "the rates of deck {code}: {why}"),
            Refusal::Other { code, deck } => write!(f, "the rates of deck {code}: not those of deck {deck}'s revision"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Refusal<E> {}

impl Snapshot {
    /// Checks a main image and puts it together with the images that it names and does not hold; `find` opens one of them.
    ///
    /// # Errors
    /// What is wrong with the main image, or which deck's image is not there.
    pub fn open<E>(
        main: Bytes,
        mut find: impl FnMut(Wanted<'_>) -> Result<DeckImage, E>,
    ) -> Result<Snapshot, Refusal<E>> {
        crate::verify::image((*main).as_ref()).map_err(Refusal::Main)?;
        let view = View::open((*main).as_ref());
        let found = view.wanted().map(|wanted| {
            let code = || wanted.code.to_string();
            let image = find(wanted).map_err(|why| Refusal::Missing { code: code(), why })?;
            let same = image.mark() == wanted.mark;
            if same { Ok(image) } else { Err(Refusal::Other { code: code(), deck: wanted.deck }) }
        });
        let decks = found.collect::<Result<Arc<[DeckImage]>, _>>()?;
        Ok(Snapshot { main, decks })
    }

    /// A snapshot in one piece that passed [`View::check`].
    pub fn whole(main: Bytes) -> Snapshot {
        Snapshot { main, decks: Arc::new([]) }
    }

    /// What it says; costs nothing, so that it may be asked every turn.
    pub fn view(&self) -> View<'_> {
        View::with((*self.main).as_ref(), &self.decks)
    }

    /// The images of decks that stand outside the main image, in order of the decks' ids.
    pub fn decks(&self) -> &[DeckImage] {
        &self.decks
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
