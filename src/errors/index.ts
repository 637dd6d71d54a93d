export { type CatalogueEntry, type ErrorCode, errorCatalogue } from "./catalogue.js";
export { asPhasewireError, type ErrorDetails, type ErrorObject, PhasewireError } from "./phasewire-error.js";
export { type Reason, refusal, show } from "./refusal.js";
