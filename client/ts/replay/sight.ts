// What players of the arena see.

/** To the right and left of themselves, and up and down: `SIGHT_METRES` of the rules, as a test makes sure. */
export const SIGHT_METRES = [40, 24] as const;
