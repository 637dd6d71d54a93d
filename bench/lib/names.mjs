// Names that sections and report share.

/** Name of one of phasewire's own rows among its peers. */
export const ownRow = (task, host, build) => `phasewire ${task}, ${host}, ${build}`;
