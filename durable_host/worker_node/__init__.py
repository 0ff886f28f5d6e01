"""The child process that loads a Node.js app: a JavaScript worker without dependencies, run on the user's Node.js."""
