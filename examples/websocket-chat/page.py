PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Chat</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
  #log { list-style: none; padding: 0; min-height: 10rem; border-bottom: 1px solid; }
  .note { opacity: .6; font-style: italic; }
  form { display: flex; gap: .5rem; }
  input { flex: 1; font: inherit; }
</style>
<h1>Chat</h1>
<ul id="log" aria-live="polite"></ul>
<form id="form">
  <input id="text" maxlength="1000" autocomplete="off" placeholder="Say something" disabled>
  <button>Send</button>
</form>
<script>
  const log = document.getElementById("log");
  const text = document.getElementById("text");
  const name = new URLSearchParams(location.search).get("name") || "somebody";

  function show(line, className = "") {
    const item = document.createElement("li");
    item.className = className;
    item.textContent = line;
    log.append(item);
    item.scrollIntoView();
  }

  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/chat?name=${encodeURIComponent(name)}`);
  socket.onopen = () => { text.disabled = false; text.focus(); };
  socket.onclose = () => { text.disabled = true; show("The connection is closed.", "note"); };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.kind === "said") show(`${message.name}: ${message.text}`);
    else show(`${message.name} ${message.kind} (${message.count} here)`, "note");
  };
  document.getElementById("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (text.value && socket.readyState === WebSocket.OPEN) socket.send(text.value);
    text.value = "";
  });
</script>
</html>
"""
