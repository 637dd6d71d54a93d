// Names that sections and report share.

/** What phasewire's own rows are called among its peers. */
export const ownRow = (task, host, build) => `phasewire ${task}, ${host}, ${build}`;
