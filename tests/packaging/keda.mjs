// Holds documents against what KEDA says of its own kinds; throws when one does not fit.
const [folder, text] = process.argv.slice(-2);
for (const document of JSON.parse(text)) {
  const path = `${folder}/node_modules/@kubernetes-models/keda/${document.apiVersion}/${document.kind}.js`;
  const kinds = await import(path);
  new kinds[document.kind](document).validate();
}
