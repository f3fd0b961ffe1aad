// The parts of `yaml` that the studio's form uses; scripts/bundle_page.sh makes vendor/yaml.js of this.
export { isScalar, parseDocument, stringify } from "yaml";
