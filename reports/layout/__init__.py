"""What a page is made of: elements, numbers as text, colours, axes."""
