// The colours of the teams, in their order.

export const TEAM_COLOURS = ["#4fa3ff", "#ff6b57", "#5fd67a", "#f2c14b"];
