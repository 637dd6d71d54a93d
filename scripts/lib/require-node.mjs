// Every start script imports this first. It is written so that old versions of Node can still read it.
var oldest = 20;
if (Number(process.versions.node.split(".")[0]) < oldest) {
  console.error(
    "phasewire needs Node " +
      oldest +
      " or newer; this is " +
      process.version +
      ". Install a current one from https://nodejs.org or with a version manager, for example `nvm install 22`.",
  );
  process.exit(1);
}
