"""PFNet in torch, its losses and its ONNX export; the only room, with engines/torch.py, for torch."""
