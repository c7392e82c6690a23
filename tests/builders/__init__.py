"""What tests are made of: items, pools, corpora, findings and loops whose truth is known."""
