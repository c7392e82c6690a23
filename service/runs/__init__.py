"""What run directories say of their loops, whatever has written them."""
