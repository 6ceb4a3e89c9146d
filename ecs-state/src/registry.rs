//! The list of a game's components: the one place from which codec, hash, keyframe and manifest follow.

use std::sync::Arc;

use bevy_ecs::prelude::{Component, Resource, World};
use protocol::manifest::{Layout, Manifest, ManifestError, Rejection};
use thiserror::Error;

use crate::capture::{Capture, ComponentCapture, IdentityCapture, ResourceCapture, note_removal};
use crate::{Game, OutcomeCode, Replicated};

/// A game's components cannot be registered like this. A bug in the game.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// Two components share a number.
    #[error("components {first} and {second} both have number {number}; give one of them another")]
    NumberTaken {
        /// The number.
        number: u16,
        /// Its holder.
        first: String,
        /// The other.
        second: String,
    },
    /// The hints on who hears of what name something that is not there.
    #[error("Game::interest: {0}")]
    Interest(String),
    /// A bound of the manifest is broken.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

struct Entry {
    layout: Layout,
    prepare: fn(&mut World),
    capture: fn() -> Box<dyn Capture>,
}

/// What a game replicates, and what it may lose.
pub struct Registry {
    entries: Vec<Entry>,
    transient: Vec<fn(&mut World)>,
}

impl Registry {
    pub(crate) fn of<G: Game>() -> Result<Self, RegistryError> {
        let mut registry = Self { entries: Vec::new(), transient: Vec::new() };
        registry.entries.push(Entry {
            layout: Layout::entity(),
            prepare: |world| {
                world.register_component::<crate::Identity>();
            },
            capture: || Box::new(IdentityCapture::default()),
        });
        G::register(&mut registry);
        registry.entries.sort_by_key(|entry| entry.layout.number);
        match registry.entries.windows(2).find(|pair| pair[0].layout.number == pair[1].layout.number) {
            Some(pair) => Err(RegistryError::NumberTaken {
                number: pair[0].layout.number,
                first: pair[0].layout.name.clone(),
                second: pair[1].layout.name.clone(),
            }),
            None => Ok(registry),
        }
    }

    /// Adds a replicated component.
    pub fn component<T: Replicated>(&mut self) -> &mut Self {
        self.add::<T>(
            |world| {
                world.register_component_hooks::<T>().on_remove(note_removal::<T>);
            },
            || Box::new(ComponentCapture::<T>::new()),
        )
    }

    /// Adds a replicated resource. It travels as a component of entity 1; the game inserts it when
    /// the match opens and never removes it.
    pub fn resource<T: Replicated + Resource>(&mut self) -> &mut Self {
        self.add::<T>(
            |world| {
                world.register_component::<T>();
            },
            || Box::new(ResourceCapture::<T>::new()),
        )
    }

    /// Allows a component that is not state: it is gone after a keyframe barrier.
    pub fn transient<T: Component>(&mut self) -> &mut Self {
        self.transient.push(|world| {
            world.register_component::<T>();
        });
        self
    }

    /// Allows a resource that is not state: it starts from its default after a keyframe barrier.
    pub fn transient_resource<T: Resource + Default>(&mut self) -> &mut Self {
        self.transient.push(|world| {
            world.init_resource::<T>();
        });
        self
    }

    fn add<T: Replicated>(&mut self, prepare: fn(&mut World), capture: fn() -> Box<dyn Capture>) -> &mut Self {
        let layout = Layout::of(T::NUMBER, T::NAME, T::VISIBILITY, T::SYNC, T::describe());
        assert_eq!(layout.width, T::WIDTH, "{}: the derive and the layout disagree", T::NAME);
        self.entries.push(Entry { layout, prepare, capture });
        self
    }

    /// Makes a new world ready for all components; gives their captures in the manifest's order.
    pub(crate) fn prepare(&self, world: &mut World) -> Vec<Box<dyn Capture>> {
        for entry in &self.entries {
            (entry.prepare)(world);
        }
        for transient in &self.transient {
            transient(world);
        }
        self.captures()
    }

    /// Captures of all components, in the manifest's order.
    pub(crate) fn captures(&self) -> Vec<Box<dyn Capture>> {
        self.entries.iter().map(|entry| (entry.capture)()).collect()
    }

    pub(crate) fn manifest<G: Game>(&self) -> Result<Arc<Manifest>, RegistryError> {
        let layouts: Vec<_> = self.entries.iter().map(|entry| entry.layout.clone()).collect();
        let interest = G::interest().map(|interest| interest.resolve(&layouts)).transpose()?;
        let rejections = G::REJECTIONS
            .iter()
            .map(|(number, name)| Rejection { code: OutcomeCode::game(*number).0, name: (*name).to_owned() })
            .collect();
        let millihertz = G::TICKING.millihertz();
        let manifest = Manifest::new(G::NAME, G::RULES_VERSION, millihertz, layouts, rejections, G::COMMAND_SCHEMA)?;
        Ok(Arc::new(match interest {
            Some(interest) => manifest.with_interest(&interest)?,
            None => manifest,
        }))
    }
}
