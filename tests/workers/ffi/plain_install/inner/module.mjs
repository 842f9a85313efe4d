import { two } from "../two.js"; export const twice = (x) => two * x;
