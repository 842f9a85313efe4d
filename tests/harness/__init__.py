"""What the tests need to run Isthmus as a user does, and to look at its processes from outside."""
