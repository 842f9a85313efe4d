// fetch(): https://fetch.spec.whatwg.org/#fetch-method
//
// The exchange with the network is `outbound.rs`; here are the promise and the signal.
(function (native, shared) {
  "use strict";

  const { FinalizationRegistry, Promise, TypeError, WeakRef, deref, register } = shared.primordials;
  const { defineGlobal } = shared.webidl;
  const { isAborted, onAbort, reason: reasonOf } = shared.events;
  const { breakOff, cancelBody, failBody } = shared.bodies;

  const ignore = () => {};

  // A signal outlives most of the bodies that it can abort: it doesn't keep them, and forgets those that are gone.
  const forget = new FinalizationRegistry((stop) => { stop(); });

  // Has a body end with the signal's reason, by `end`. One that has ended takes no notice.
  const abortBody = (signal, body, end) => {
    const weak = new WeakRef(body);
    const stop = onAbort(signal, (reason) => {
      const body = deref(weak);
      if (body !== undefined) end(body, reason);
    });
    register(forget, body, stop);
  };

  const start = (input, init, resolve, reject, destination = undefined) => {
    const request = native.request(input, init);
    const signal = native.signal(request);
    if (signal !== undefined && isAborted(signal)) {
      const body = native.takeBody(request);
      if (body !== undefined) cancelBody(body, reasonOf(signal));
      reject(reasonOf(signal));
      return;
    }
    let stop = ignore, settled = false, broken = false, underway;
    underway = native.begin(request, (response, failure) => {
      settled = true;
      stop();
      const upload = underway === undefined ? undefined : native.upload(underway);
      if (response === undefined) {
        const error = new TypeError(failure);
        if (upload !== undefined) cancelBody(upload, error);
        reject(error);
        return;
      }
      if (signal !== undefined) {
        // The answer may come before all of the request was sent.
        if (upload !== undefined) abortBody(signal, upload, breakOff);
        const body = native.abortableBody(response);
        if (body !== undefined) abortBody(signal, body, failBody);
      }
      resolve(response);
    }, (error) => {
      // The request's body broke off, and with it the request; perhaps at once.
      if (settled) return;
      settled = broken = true;
      stop();
      if (underway !== undefined) native.cancel(underway);
      reject(new TypeError("The body of the request could not be read.", { __proto__: null, cause: error }));
    }, destination);
    if (broken) native.cancel(underway);
    if (settled || signal === undefined) return;
    stop = onAbort(signal, (reason) => {
      settled = true;
      native.cancel(underway);
      const upload = native.upload(underway);
      if (upload !== undefined) cancelBody(upload, reason);
      reject(reason);
    });
  };

  // For what is built on requests: `start(input, init, resolve, reject, destination)` throws what is wrong with the request
  // itself. A destination is an object of `fetch::destination`; without one a request goes to the network.
  shared.outbound = { __proto__: null, start };

  const { fetch } = {
    fetch(input, init = undefined) {
      const given = arguments.length;
      return new Promise((resolve, reject) => {
        if (given === 0) {
          throw new TypeError("Failed to execute 'fetch' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'Request or string'.");
        }
        start(input, init, resolve, reject);
      });
    },
  };
  defineGlobal("fetch", fetch, true);
})
