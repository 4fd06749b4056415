"""What each of torch's operations does to the axes of its tensors."""

from theodolite.maps.alignment.rules import entries as entries
from theodolite.maps.alignment.rules import places as places
from theodolite.maps.alignment.rules import products as products
from theodolite.maps.alignment.rules import statistics as statistics
from theodolite.maps.alignment.rules import views as views
from theodolite.maps.alignment.rules.call import RULES as RULES
